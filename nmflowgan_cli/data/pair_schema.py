"""Schemas of the records of pairs, in journals and containers, with limits."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nmflowgan_cli.conditions import UNKNOWN_ISO

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
RelativePath = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^(?!/)(?!(.*/)?\.\.(/|$))[^\x00]+$")]
"""A path that stays in its folder."""
File = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
Side = Annotated[int, Meta(ge=1, le=65_535)]
Iso = Annotated[int, Meta(ge=UNKNOWN_ISO, le=10_000_000)]
"""0: not known, which only noise that was made may have."""
Count = Annotated[int, Meta(ge=0, le=2**62)]
Split = Literal["train", "val"]
Depth = Literal[8, 16]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None
Size = Annotated[int, Meta(ge=0, le=2**50)] | None


class PairFacts(Struct, kw_only=True):
    """What readers need to know of a pair in a container."""

    camera: Text
    iso: Iso
    height: Side
    width: Side
    scene: Text
    split: Split


class Bytes(Struct, kw_only=True):
    """The size and the SHA-256 of the files of a pair."""

    file_size: Size = None
    file_sha256: Digest = None
    clean_size: Size = None
    clean_sha256: Digest = None
    noisy_size: Size = None
    noisy_sha256: Digest = None


class PairPlaces(Bytes, kw_only=True):
    """A pair of `make-pairs` in its journal: its name, and the file or the two files that hold it."""

    split: Split
    key: Text
    file: RelativePath | None = None
    clean: RelativePath | None = None
    noisy: RelativePath | None = None

    def __post_init__(self) -> None:
        if self.file is None and (self.clean is None or self.noisy is None):
            raise ValueError("no `file`, and no `clean` and `noisy`")


class PicturePlace(Struct, kw_only=True):
    """A picture of `synthesize` in its journal, by its file."""

    output: File


class Made(Bytes, kw_only=True):
    """A picture or a pair of any command, as `verify` and `--repair` read it: each field that is there has its type."""

    output: File | None = None
    file: File | None = None
    clean: File | None = None
    noisy: File | None = None
    split: Split | None = None
    key: Text | None = None
    input: File | None = None
    noisy_input: File | None = None
    relative_path: str | None = None
    repeat: Count | None = None
    camera: str | None = None
    iso: Count | None = None
    precision: str | None = None
    seed: int | None = None
    weights: str | None = None
    weights_sha256: Digest = None
    input_sha256: Digest = None
    noisy_input_sha256: Digest = None
    output_size: Size = None
    output_sha256: Digest = None
    depth: Depth | None = None
    input_frame: Count | None = None

    def __post_init__(self) -> None:
        pair = (self.clean and self.noisy) or self.file
        if not self.output and not (pair and self.split and self.key):
            raise ValueError("no `output`, and no `split`, `key`, and `file` or `clean` and `noisy`")
        needed = ("input", "relative_path", "repeat", "camera", "iso", "seed", "weights", "weights_sha256")
        missing = [name for name in needed if getattr(self, name) is None] if self.output else []
        if missing:
            raise ValueError(f"no `{missing[0]}`")
