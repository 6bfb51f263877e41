"""Schemas of the records of pairs, in journals and containers, with limits."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
RelativePath = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^(?!/)(?!(.*/)?\.\.(/|$))[^\x00]+$")]
"""A path that stays in its folder."""
Side = Annotated[int, Meta(ge=1, le=65_535)]
Iso = Annotated[int, Meta(ge=1, le=10_000_000)]
Split = Literal["train", "val"]
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


class PairPlaces(Struct, kw_only=True):
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

    output: Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
