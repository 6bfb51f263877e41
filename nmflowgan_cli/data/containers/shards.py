"""Containers of shards with many pairs: tar files for webdataset, and Parquet files."""

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.containers.base import FileContainer, Sample, Volume, require
from nmflowgan_cli.files import replacing

TEXTS = ("key", "camera", "scene", "split", "relative_path")
NUMBERS = ("iso", "repeat", "top", "left", "height", "width")
"""Columns of a Parquet file beside the pictures."""


class WebDatasetContainer(FileContainer):
    """Tar files with `<key>.clean.png`, `<key>.noisy.png` and `<key>.json`; https://github.com/webdataset/webdataset."""

    sharded = True
    suffix = ".tar"

    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        path = self.root / self.name(volume)
        with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as archive:
            for sample in (sample for samples in pictures for sample in samples):
                facts = json.dumps(dict(sample.facts)).encode()
                for suffix, data in (("clean.png", sample.clean), ("noisy.png", sample.noisy), ("json", facts)):
                    _add(archive, f"{sample.label.key}.{suffix}", data)
        return [path]


class ParquetContainer(FileContainer):
    """Parquet files; columns `clean` and `noisy` hold PNG files, the others what they are. Needs pyarrow."""

    sharded = True
    suffix = ".parquet"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.arrow = require("pyarrow", "parquet")
        self.parquet = require("pyarrow.parquet", "parquet")

    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        path, schema = self.root / self.name(volume), self._schema()
        with (
            replacing(path) as temporary,
            # Noise does not compress, and PNG has tried already.
            self.parquet.ParquetWriter(temporary, schema, compression="none") as writer,
        ):
            for samples in pictures:
                rows = [_row(sample) for sample in samples]
                writer.write_table(self.arrow.Table.from_pylist(rows, schema))
        return [path]

    def _schema(self) -> Any:
        columns = [(name, self.arrow.string()) for name in TEXTS] + [(name, self.arrow.int64()) for name in NUMBERS]
        return self.arrow.schema([*columns, ("clean", self.arrow.binary()), ("noisy", self.arrow.binary())])


def _row(sample: Sample) -> dict[str, Any]:
    return {name: sample.facts[name] for name in TEXTS + NUMBERS} | {"clean": sample.clean, "noisy": sample.noisy}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """A member without time and owner, so that the same pairs give the same file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))
