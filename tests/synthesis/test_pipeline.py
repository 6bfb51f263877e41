"""Many pictures: order, failures, workers, and the manifest."""

import errno
import hashlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from fakes import ConvolutionNoise, photograph

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import DiskError, NmflowganError, PictureError
from nmflowgan_cli.files import sha256, write_error
from nmflowgan_cli.imaging import Picture, read, write
from nmflowgan_cli.journal import records
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.synthesis.manifest import Manifest
from nmflowgan_cli.synthesis.pipeline import Sampler, run
from nmflowgan_cli.synthesis.plan import Job

RECIPE = Sampler(model=ConvolutionNoise(), weights="fake", weights_sha256="12ab", seed=7)


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Five pictures of different size, the third damaged, the fifth with alpha."""
    made = []
    for number in range(5):
        path = tmp_path / "in" / f"{number}.png"
        rgb = photograph(40 + 9 * number, 70 - 3 * number, number)
        write(path, Picture(rgb, rgb[..., 0] if number == 4 else None))
        made.append(Job(path, path.name, 0, Condition("IP", 100 * (number + 1)), tmp_path / "out" / path.name))
    made[2].input.write_bytes(made[2].input.read_bytes()[:200])
    return made


def hashes(folder: Path) -> dict[str, str | None]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def test_results_come_in_order_and_a_bad_picture_stops_nothing(jobs: list[Job]) -> None:
    items = list(run(jobs, RECIPE))
    assert [item.job for item in items] == jobs
    assert [item.record.status for item in items] == ["done", "done", "failed", "done", "done"]
    assert isinstance(items[2].error, PictureError)
    assert items[2].record.error == str(items[2].error)
    assert sorted(hashes(jobs[0].output.parent)) == ["0.png", "1.png", "3.png", "4.png"]


def test_an_item_is_what_the_engine_makes_of_the_picture(jobs: list[Job]) -> None:
    item = list(run(jobs, RECIPE))[4]
    clean, noisy = read(jobs[4].input), read(jobs[4].output)
    expected = synthesize(RECIPE.model, clean.rgb, Condition("IP", 500), picture_key(7, "4.png", 0))
    assert np.array_equal(noisy.rgb, expected)
    assert noisy.alpha is not None
    assert clean.alpha is not None
    assert np.array_equal(noisy.alpha, clean.alpha)
    assert item.record.input_sha256 == hashlib.sha256(jobs[4].input.read_bytes()).hexdigest()
    assert item.record.output_sha256 == hashlib.sha256(jobs[4].output.read_bytes()).hexdigest()
    assert (item.record.camera, item.record.iso, item.record.seed) == ("IP", 500, 7)


def test_order_workers_tiles_and_batches_change_nothing(jobs: list[Job], tmp_path: Path) -> None:
    list(run(jobs, RECIPE))
    expected = hashes(tmp_path / "out")
    for number, (order, workers, tile, batch) in enumerate([(-1, 1, 64, 1), (1, 4, 64, 3), (-1, 3, 96, 2)]):
        folder = tmp_path / f"again{number}"
        moved = [replace(job, output=folder / job.output.name) for job in jobs[::order]]
        list(run(moved, replace(RECIPE, tile=tile, batch=batch), workers=workers))
        assert hashes(folder) == expected


def test_few_pictures_are_under_way(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []

    def noted(path: Path, **options: int) -> Picture:
        begun.append(path)
        return read(path)

    monkeypatch.setattr("nmflowgan_cli.synthesis.pipeline.read", noted)
    many = [replace(jobs[0], output=jobs[0].output.with_name(f"{number}.png")) for number in range(12)]
    for number, _ in enumerate(run(many, RECIPE, workers=1), 1):
        assert len(begun) <= number + 4
    assert len(begun) == 12


def test_stopping_early_leaves_whole_files_only(jobs: list[Job]) -> None:
    items = run(jobs, RECIPE, workers=1)
    next(items)
    items.close()
    outputs = list(jobs[0].output.parent.iterdir())
    assert 1 <= len(outputs) < 4
    for path in outputs:
        assert read(path).rgb.size


def test_stopping_drops_the_tiles_that_wait(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator is closed while a picture of many tiles is being sampled: it must end without doing them all."""
    sampled, first = [], Event()

    def slow(*arguments: object) -> object:
        sampled.append(1)
        first.set()
        time.sleep(0.02)
        return ConvolutionNoise.sample(RECIPE.model, *arguments)  # type: ignore[arg-type]

    write(jobs[1].input, Picture(photograph(64 * 20, 64 * 20)))
    items = run(jobs[:2], replace(RECIPE, tile=64))
    next(items)
    monkeypatch.setattr(RECIPE.model, "sample", slow)
    first.wait(10)
    items.close()
    assert len(sampled) < 400
    assert [path.name for path in jobs[0].output.parent.iterdir()] == ["0.png"]


def test_skipped_jobs_are_told_and_left(jobs: list[Job]) -> None:
    items = list(run(jobs, RECIPE, skip=lambda job: job is jobs[1]))
    assert items[1].record.status == "skipped"
    assert not jobs[1].output.exists()
    assert jobs[0].output.exists()


def test_out_of_memory_is_told_of_the_one_picture(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(path: Path, **options: int) -> Picture:
        if path == jobs[0].input:
            raise MemoryError
        return read(path)

    monkeypatch.setattr("nmflowgan_cli.synthesis.pipeline.read", greedy)
    items = list(run(jobs[:2], RECIPE))
    assert [item.record.status for item in items] == ["failed", "done"]
    assert items[0].error is not None
    assert items[0].error.exit_code == 5


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.ENOSPC, DiskError, "make room"),
        (errno.EDQUOT, DiskError, "make room or raise the quota"),
        (errno.EROFS, DiskError, "choose another place or make this one writable"),
        (errno.EACCES, PictureError, ""),
    ],
)
def test_a_disk_that_takes_no_more_ends_the_run(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, number: int, kind: type[NmflowganError], hint: str
) -> None:
    """The results before are yielded; another error concerns its picture alone."""

    def refuse(path: Path, picture: Picture) -> tuple[str, ...]:
        if path == jobs[1].output:
            raise write_error(path, OSError(number, os.strerror(number)), PictureError)
        return write(path, picture)

    monkeypatch.setattr("nmflowgan_cli.synthesis.pipeline.write", refuse)
    items = run(jobs, RECIPE)
    assert next(items).record.status == "done"
    if kind is DiskError:
        with pytest.raises(DiskError, match=f"cannot write .*1.png: {os.strerror(number)}") as caught:
            next(items)
        assert caught.value.hint == hint
        assert list(items) == []
    else:
        assert [type(item.error) for item in items] == [PictureError, PictureError, type(None), type(None)]


def test_the_manifest_tells_what_was_finished(jobs: list[Job], tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "out" / "manifest.jsonl")
    for item in run(jobs, RECIPE):
        manifest.append(item.record)
    found = list(records(manifest.path))
    assert [record["output"] for record in found] == [f"{number}.png" for number in range(5)]
    assert {"input", "input_sha256", "output_sha256", "weights", "tool_version", "error", "repeat"} <= found[0].keys()
    again = Manifest(manifest.path)
    finished = [again.finished(job, seed=7, weights_sha256="12ab") for job in jobs]
    assert finished == [True, True, False, True, True]
    assert not again.finished(jobs[0], seed=8, weights_sha256="12ab")
    assert not again.finished(jobs[0], seed=7, weights_sha256="other")
    assert not again.finished(replace(jobs[0], condition=Condition("GP", 100)), seed=7, weights_sha256="12ab")
    write(jobs[0].input, Picture(photograph(9, 9)))
    jobs[1].output.unlink()
    assert not again.finished(jobs[0], seed=7, weights_sha256="12ab")
    assert not again.finished(jobs[1], seed=7, weights_sha256="12ab")


def test_a_manifest_survives_a_crash_in_the_middle_of_a_line(jobs: list[Job], tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "manifest.jsonl")
    manifest.path.write_text('{"output": "cut o')
    manifest.append(RECIPE.record(jobs[0], "done"))
    manifest.append(RECIPE.record(jobs[1], "failed"))
    assert [record["status"] for record in records(manifest.path)] == ["done", "failed"]
    assert [bool(line) for line in manifest.path.read_text().split("\n")] == [True, True, True, False]
    assert json.loads(manifest.path.read_text().splitlines()[1])["output"] == "out/0.png"


def test_a_manifest_that_cannot_be_written(jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NmflowganError, match=r"cannot write .*manifest.jsonl"):
        Manifest(tmp_path / "file" / "manifest.jsonl").append(RECIPE.record(jobs[0], "done"))
    with pytest.raises(NmflowganError, match="No space left"):
        Manifest(Path("/dev/full")).append(RECIPE.record(jobs[0], "done"))
