"""Pairs read by Hugging Face datasets, and by this tool where shards are of an older version."""

import csv
import gc
import json
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fakes import photograph
from PIL import Image
from pyarrow import parquet
from typer.testing import CliRunner

from nmflowgan_cli.cli import app
from nmflowgan_cli.data.reading import read_paired

MADE = ("-c", "IP", "-i", "800", "--weights", "isp", "--patch", "32", "--seed", "5", "--device", "cpu", "-q")


def pairs(folder: Path, *options: str) -> Path:
    """Pairs of two pictures below `folder`, one of them held out."""
    clean = folder / "photos"
    clean.mkdir()
    for number, name in enumerate(("a", "b")):
        Image.fromarray(photograph(64, 64, number)).save(clean / f"{name}.png")
    asked = ["make-pairs", str(clean), *MADE, "--val-share", "0.5", "-o", str(folder / "pairs"), *options]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    return folder / "pairs"


def manifest(root: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]


def test_pictures_are_structs_that_the_schema_names_as_images(tmp_path: Path) -> None:
    shard = next(pairs(tmp_path, "--container", "parquet").rglob("*.parquet"))
    schema = parquet.read_schema(shard)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    for side in ("clean", "noisy"):
        assert features[side] == {"_type": "Image"}
        assert schema.field(side).type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_shards_with_plain_binary_columns_are_still_read(tmp_path: Path) -> None:
    root = pairs(tmp_path, "--container", "parquet")
    before = [pair.load() for pair in read_paired(root)[0]]
    for shard in root.rglob("*.parquet"):
        table = parquet.read_table(shard)
        for side in ("clean", "noisy"):
            plain = pa.array([row["bytes"] for row in table[side].to_pylist()], pa.binary())
            table = table.set_column(table.schema.get_field_index(side), side, plain)
        parquet.write_table(table, shard)
    after = [pair.load() for pair in read_paired(root)[0]]
    assert len(before) == len(after) == len(manifest(root))
    for old, new in zip(before, after, strict=True):
        assert all(np.array_equal(*sides) for sides in zip(old, new, strict=True))


def test_metadata_of_flat_folders_lists_every_pair_of_its_split(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    for split in ("train", "val"):
        with (root / split / "metadata.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        listed = {(f"{split}/{row['clean_file_name']}", f"{split}/{row['noisy_file_name']}") for row in rows}
        records = [record for record in manifest(root) if record["split"] == split]
        assert listed == {(record["clean"], record["noisy"]) for record in records}
        assert {row["seed"] for row in rows} == {"5"}
    assert CliRunner().invoke(app, ["verify", str(root)]).exit_code == 0
    (root / "val" / "metadata.csv").rename(root / "val" / "other.csv")
    assert CliRunner().invoke(app, ["verify", str(root)]).exit_code != 0


def loaded(root: Path, container: str, split: str, cache: Path) -> set[tuple[bytes, bytes]]:
    """Pixels of the pairs of a split, decoded by Hugging Face datasets."""
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    shards = ("parquet", {"data_files": str(root / split / "*.parquet")})
    folders = ("imagefolder", {"data_dir": str(root / split)})
    builder, place = shards if container == "parquet" else folders
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library leaves files to the collector
        rows = datasets.load_dataset(builder, **place, split="train", cache_dir=str(cache))
        assert set(rows.unique("seed")) == {5}
        assert set(rows.unique("weights_sha256")) == {manifest(root)[0]["weights_sha256"]}
        found = {(np.asarray(row["clean"]).tobytes(), np.asarray(row["noisy"]).tobytes()) for row in rows}
        del rows
        gc.collect()
    return found


@pytest.mark.parametrize("container", ["parquet", "folder"])
def test_load_dataset_gives_decoded_pairs(container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    root = pairs(tmp_path, "--container", container)
    expected: dict[str, set[tuple[bytes, bytes]]] = {"train": set(), "val": set()}
    for pair in read_paired(root)[0]:
        clean, noisy = pair.load()
        expected[pair.split].add((clean.tobytes(), noisy.tobytes()))
    for split, pixels in expected.items():
        assert loaded(root, container, split, tmp_path / split) == pixels
