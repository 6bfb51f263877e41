"""Container of Parquet shards: columns `clean` and `noisy` hold PNG files, the others what is known of a pair.

Pictures are structs {bytes, path}, and the schema's metadata names them as images, in the convention of Hugging Face
datasets: https://huggingface.co/docs/datasets/about_dataset_features. Shards of older versions hold plain binary
columns, and are read, too. Needs pyarrow (the extra `parquet`).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.containers.base import (
    EncodedPair,
    FileContainer,
    Sample,
    Volume,
    damage_named,
    pair_of,
    refuse_bomb,
    require,
)
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import replacing

SUFFIX = ".parquet"
TEXTS = ("key", "camera", "scene", "split", "relative_path", "noise", "weights_sha256")
NUMBERS = ("iso", "repeat", "top", "left", "height", "width", "frame", "seed")
PICTURES = ("clean", "noisy")
LEAST_ROW = 2**13
"""Bytes of memory that the facts of a pair take, about."""


class ParquetContainer(FileContainer):
    """Shards with the pairs of several pictures, a row group a picture."""

    sharded = True
    suffix = SUFFIX

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
        picture = self.arrow.struct([("bytes", self.arrow.binary()), ("path", self.arrow.string())])
        columns = [(name, self.arrow.string()) for name in TEXTS] + [(name, self.arrow.int64()) for name in NUMBERS]
        schema = self.arrow.schema(columns + [(name, picture) for name in PICTURES])
        return schema.with_metadata({"huggingface": json.dumps({"info": {"features": _features()}})})


def _features() -> dict[str, dict[str, str]]:
    """Features of the columns, as Hugging Face datasets names them."""
    texts = {name: {"dtype": "string", "_type": "Value"} for name in TEXTS}
    numbers = {name: {"dtype": "int64", "_type": "Value"} for name in NUMBERS}
    return texts | numbers | {name: {"_type": "Image"} for name in PICTURES}


def _row(sample: Sample) -> dict[str, Any]:
    path = f"{sample.label.key}.png"
    pictures = {"clean": sample.clean, "noisy": sample.noisy}
    return {name: sample.facts[name] for name in TEXTS + NUMBERS} | {
        side: {"bytes": data, "path": f"{side}/{path}"} for side, data in pictures.items()
    }


def read_parquet(path: Path, root: Path) -> Iterator[EncodedPair]:
    """The pairs of a shard, in its order; `root`: the folder that names are relative to.

    Raises UsageError for a file that is damaged, or has not the columns of `make-pairs`.
    """
    with _reading(path) as file:
        missing = {"key", *PICTURES} - set(file.schema_arrow.names)
        if missing:
            raise UsageError(f"{path} has no column {min(missing)}", "expected a shard of make-pairs")
        columns = [name for name in file.schema_arrow.names if name not in PICTURES]
        groups = [file.read_row_group(group, columns=columns).to_pylist() for group in range(file.num_row_groups)]
    for group, rows in enumerate(groups):
        for index, facts in enumerate(rows):
            name = f"{path.relative_to(root).as_posix()}#{facts['key']}"
            yield pair_of(facts, name, partial(_pictures, path, group, index))


def _pictures(path: Path, group: int, index: int) -> tuple[bytes, bytes]:
    row = _row_group(path, group)[index]
    return _content(row["clean"]), _content(row["noisy"])


def _content(picture: Any) -> bytes:
    """The PNG file of a cell: a struct, or plain bytes in shards of older versions."""
    return picture["bytes"] if isinstance(picture, dict) else picture


@lru_cache(maxsize=4)
def _row_group(path: Path, group: int) -> list[dict[str, Any]]:
    """The pictures of a row group: pairs of one picture are often read one after the other."""
    with _reading(path) as file:
        return file.read_row_group(group, columns=list(PICTURES)).to_pylist()


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """The open file; whatever pyarrow finds wrong with it becomes a UsageError."""
    parquet = require("pyarrow.parquet", "parquet")
    with damage_named(path, "a Parquet file"), parquet.ParquetFile(path) as file:
        _refuse_sizes(path, file.metadata)
        yield file


def _refuse_sizes(path: Path, metadata: Any) -> None:
    """Raise UsageError for more rows than two PNG files each have room for, or columns much larger than the file."""
    rows = sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    refuse_bomb(path, max(rows, metadata.num_rows) * LEAST_ROW, "its rows")
    sizes = (metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    refuse_bomb(path, sum(sizes), "its columns")
