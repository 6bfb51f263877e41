"""Origin of noise: what records and manifests state, and what stands for real noise."""

import csv
import json
from pathlib import Path

import h5py
import pyarrow.parquet
import pytest
from writers import ISP, call, made, photographs

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.data.origin import REAL, UNSTATED, Origin, census_of, origin_of, refuse_unreal, stated
from nmflowgan_cli.data.reading import read_paired
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.synthesis.weights import find_weights

SIDD = "0004_001_S6_00100_00060_4400_L"


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return photographs(tmp_path / "X" / "clean", ("a.png", "b.png"))


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        ({"noise": "real"}, REAL),
        ({"noise": " Real "}, REAL),
        ({"noise": ""}, UNSTATED),
        ({"noise": None, "weights": "isp"}, UNSTATED),
        ({}, UNSTATED),
        ({"noise": "isp", "weights_sha256": "0a", "seed": "7"}, Origin("isp", "0a", 7)),
        ({"noise": "someone's model", "seed": "many"}, Origin("someone's model")),
        ({"noise": "real", "weights_sha256": "0a", "seed": 0}, Origin("real", "0a", 0)),
        ({"weights": "sidd-lite", "weights_sha256": "0a", "seed": 7}, Origin("sidd-lite", "0a", 7)),
        ({"weights": None}, UNSTATED),
    ],
)
def test_records_state_the_origin_also_those_of_earlier_versions(record: dict[str, object], origin: Origin) -> None:
    assert origin_of(record) == origin
    assert origin_of({**origin.to_json()}) == origin


def test_weights_named_real_are_not_real() -> None:
    named = Origin("real", "0a", 0)
    assert (named.real, named.synthetic, str(named)) == (False, True, "synthetic noise of real")


def pair(origin: Origin) -> Pair:
    return Pair(Path("a"), Path("b"), Condition("IP", 100), "x", "train", "b", origin)


def test_real_noise_is_asked_for_with_the_way_out() -> None:
    pairs = [pair(REAL), pair(Origin("isp", "0a", 1)), pair(Origin("isp", "0a", 2)), pair(UNSTATED)]
    text = "real noise (1 pair), synthetic noise of isp (2 pairs), noise of unstated origin (1 pair)"
    assert stated(census_of(pairs)) == text
    with pytest.raises(UsageError) as caught:
        refuse_unreal(pairs, "--noise real")
    assert caught.value.message == f"--noise real needs real noise, and the data hold {text}"
    assert "--accept-synthetic" in caught.value.hint
    refuse_unreal(pairs[:1], "--noise real")


def test_what_synthesize_wrote_beside_clean_pictures_is_recognised(clean: Path) -> None:
    done = call("synthesize", clean, "-o", clean.parent / "noisy", *ISP, "-q")
    assert done.exit_code == 0, done.stderr
    pairs, _ = read_paired(clean.parent)
    assert [pair.name for pair in pairs] == ["a.png", "b.png"]
    assert {pair.origin for pair in pairs} == {Origin("isp", find_weights("isp").sha256, 5)}
    records = [json.loads(line) for line in (clean.parent / "noisy" / "manifest.jsonl").read_text().splitlines()]
    states = {record["output"]: Condition(record["camera"], record["iso"]) for record in records}
    assert {pair.name: pair.condition for pair in pairs} == states
    (clean.parent / "noisy" / "manifest.jsonl").unlink()
    pairs, _ = read_paired(clean.parent, condition=Condition("IP", 800))
    assert {pair.origin for pair in pairs} == {UNSTATED}


def test_pictures_of_sidd_are_real_unless_a_journal_says_otherwise(tmp_path: Path) -> None:
    photographs(tmp_path / "clean", (f"{SIDD}.png",))
    photographs(tmp_path / "noisy", (f"{SIDD}.png",))
    [found], _ = read_paired(tmp_path)
    assert (found.origin, found.condition) == (REAL, Condition("S6", 100))
    done = call("synthesize", tmp_path / "clean", "-o", tmp_path / "noisy", *ISP, "--on-exists", "overwrite", "-q")
    assert done.exit_code == 0, done.stderr
    [found], _ = read_paired(tmp_path)
    assert found.origin.noise == "isp"
    assert found.condition != Condition("S6", 100)
    renamed = SIDD.replace("0004", "0204")
    for side in ("clean", "noisy"):
        photographs(tmp_path / "other" / side, (f"{renamed}.png",))
    [found], _ = read_paired(tmp_path / "other")
    assert found.origin == UNSTATED


def test_a_folder_inside_what_make_pairs_wrote_keeps_its_origins(clean: Path, tmp_path: Path) -> None:
    made(tmp_path / "pairs", clean, *ISP, "--patch", 64, "--layout", "restormer", "--val-share", 0.5)
    whole, _ = read_paired(tmp_path / "pairs")
    for place in ("train", "train/SIDD"):
        part, _ = read_paired(tmp_path / "pairs" / place)
        assert {(pair.scene, pair.condition, pair.origin) for pair in part} == {
            (pair.scene, pair.condition, pair.origin) for pair in whole if pair.split == "train"
        }


def test_every_container_carries_name_hash_and_seed(clean: Path, tmp_path: Path) -> None:
    expected = {"noise": "isp", "weights_sha256": find_weights("isp").sha256, "seed": 5}
    roots = {
        name: made(tmp_path / name, clean, *ISP, "--patch", 64, "--container", name)
        for name in ("folder", "lmdb", "webdataset", "parquet", "hdf5")
    }
    for root in roots.values():
        for line in (root / "manifest.jsonl").read_text().splitlines():
            assert expected.items() <= json.loads(line).items()
    with (roots["folder"] / "manifest.csv").open() as lines:
        for row in csv.DictReader(lines):
            assert {name: str(value) for name, value in expected.items()}.items() <= row.items()
    for row in pyarrow.parquet.read_table(roots["parquet"] / "train").to_pylist():
        assert expected.items() <= row.items()
    with h5py.File(next(roots["hdf5"].rglob("*.hdf5"))) as file:
        assert dict(file.attrs) == expected


def test_files_of_earlier_versions_are_known_by_their_journal(clean: Path, tmp_path: Path) -> None:
    """HDF5 files had no origin, and synthetic ones had numbers of SIDD's."""
    root = made(tmp_path / "pairs", clean / "a.png", *ISP, "--patch", 64, "--container", "hdf5")
    with h5py.File(next(root.rglob("*.hdf5")), "a") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        file["config"].attrs["scene-instance-number"] = 1
    journal = root / "manifest.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    for record in records:
        del record["noise"]
    journal.write_text("\n".join(map(json.dumps, records)))
    [found], _ = read_paired(root)
    assert found.origin == Origin("isp", find_weights("isp").sha256, 5)
    journal.unlink()
    [found], _ = read_paired(root)
    assert found.origin == REAL  # nothing is left that says otherwise: as the authors' own files are
