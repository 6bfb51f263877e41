"""Container of tar shards as webdataset reads them, https://github.com/webdataset/webdataset.

A pair is `<key>.clean.png`, `<key>.noisy.png` and `<key>.json`, which holds everything that is known of it.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from nmflowgan_cli.data.containers.base import EncodedPair, FileContainer, Sample, Volume, damage_named, pair_of
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import replacing
from nmflowgan_cli.schemas import SchemaError, parsed

SUFFIX = ".tar"
MEMBERS = ("clean.png", "noisy.png", "json")
Place = tuple[int, int]
"""Offset and size of a member's data in its archive."""


class WebDatasetContainer(FileContainer):
    """Shards with the pairs of several pictures."""

    sharded = True
    suffix = SUFFIX

    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        path = self.root / self.name(volume)
        with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as archive:
            for sample in (sample for samples in pictures for sample in samples):
                facts = json.dumps(dict(sample.facts)).encode()
                for suffix, data in zip(MEMBERS, (sample.clean, sample.noisy, facts), strict=True):
                    _add(archive, f"{sample.label.key}.{suffix}", data)
        return [path]


def read_webdataset(path: Path, root: Path) -> Iterator[EncodedPair]:
    """The pairs of a shard, in its order; `root`: the folder that names are relative to.

    Raises UsageError for a file that is damaged, or whose members are not those of `make-pairs`.
    """
    members = _members(path)
    keys = dict.fromkeys(key for name in members for key in _keys(name))
    if not keys:
        raise UsageError(f"{path} holds no pairs", f"expected <key>.{', <key>.'.join(MEMBERS)}")
    for key in keys:
        name = f"{path.relative_to(root).as_posix()}#{key}"
        missing = [suffix for suffix in MEMBERS if f"{key}.{suffix}" not in members]
        if missing:
            raise UsageError(f"{name} lacks its {missing[0]}", "the shard is not whole: make it again")
        clean, noisy, facts = (members[f"{key}.{suffix}"] for suffix in MEMBERS)
        yield pair_of(_facts(path, facts, name), name, partial(_pictures, path, clean, noisy))


def _members(path: Path) -> dict[str, Place]:
    """The places of all files, by name; UsageError where the archive does not end as tar files end."""
    found: dict[str, Place] = {}
    length = path.stat().st_size
    with damage_named(path, "a tar file"), path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if not 0 <= member.offset_data <= member.offset_data + member.size <= length:
                raise tarfile.ReadError(f"a member claims {member.size} bytes of {length}")
            if member.isfile():
                found[member.name] = (member.offset_data, member.size)
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no end after {len(found)} files")
    return found


def _keys(name: str) -> list[str]:
    """The key in the name of a member of a pair; none for other files."""
    return [name.removesuffix(f".{suffix}") for suffix in MEMBERS if name.endswith(f".{suffix}")]


def _facts(path: Path, place: Place, name: str) -> dict[str, object]:
    try:
        return parsed(_read(path, place), dict[str, object])
    except SchemaError as error:
        raise UsageError(f"{name}.json is not an object of JSON: {error}") from None


def _pictures(path: Path, clean: Place, noisy: Place) -> tuple[bytes, bytes]:
    return _read(path, clean), _read(path, noisy)


def _read(path: Path, place: Place) -> bytes:
    offset, size = place
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """A member without time and owner, so that the same pairs give the same file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))
