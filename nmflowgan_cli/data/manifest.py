"""Manifests of paired data: a clean and a noisy picture of one scene, with the camera and ISO of the noisy one.

A manifest lists the pairs, in CSV (`clean,noisy,camera,iso,scene,split,noise`) or as JSON lines with the same names.
Paths are relative to the manifest. All but the first four may be left out; `noise` is "real", or names the noise model.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import CAMERA_NAMES, Condition
from nmflowgan_cli.data.origin import REAL, UNSTATED, Origin, origin_of, refuse_iso
from nmflowgan_cli.data.sidd_instances import SceneInstance, find_instance
from nmflowgan_cli.errors import PictureError, UsageError
from nmflowgan_cli.journal import DONE, record_of
from nmflowgan_cli.schemas import SchemaError, lines, parsed

Split = Literal["all", "train", "val"]

REQUIRED = ("clean", "noisy", "camera", "iso")
MANIFEST_COLUMNS = (*REQUIRED, "scene", "split", "noise", "weights_sha256", "seed")
MANIFEST_NAMES = ("manifest.csv", "manifest.jsonl")


@dataclass(frozen=True)
class Pair:
    """One pair; nothing is read until `load`."""

    clean: Path
    noisy: Path
    condition: Condition
    scene: str
    """Pairs of one scene show the same thing; the clean file's stem where the manifest has none."""
    split: str
    """"train" or "val"; "train" where the manifest has none."""
    name: str
    """The noisy path as the manifest writes it: names the pair, and seeds its random fields."""
    origin: Origin = UNSTATED
    """Of the noise."""

    def size(self) -> tuple[int, int, int]:
        """One picture, its height and width, from the headers; PictureError where clean and noisy differ."""
        from nmflowgan_cli.imaging import size

        clean, noisy = size(self.clean), size(self.noisy)
        self._refuse_difference(clean, noisy)
        return 1, *clean

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The clean and the noisy picture, each (H, W, 3) uint8 RGB; PictureError if they differ in size."""
        from nmflowgan_cli.imaging import read

        clean, noisy = read(self.clean).rgb, read(self.noisy).rgb
        self._refuse_difference(clean.shape, noisy.shape)
        return clean, noisy

    def _refuse_difference(self, clean: tuple[int, ...], noisy: tuple[int, ...]) -> None:
        if clean != noisy:
            sizes = " and ".join(f"{width}x{height}" for height, width, *_ in (clean, noisy))
            raise PictureError(f"{self.clean} and {self.noisy} differ in size: {sizes}", "a pair shows the same pixels")


def has_manifest(folder: Path) -> bool:
    """Whether `folder` holds a manifest."""
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def read_pairs(data: Path, split: Split = "all") -> list[Pair]:
    """The pairs of a manifest (a file, or a folder that holds manifest.csv or manifest.jsonl), in its order.

    Raises UsageError naming file and line for a missing column, a missing picture, a bad ISO or split,
    and where no pair is left.
    """
    manifest = _manifest(data)
    rows = ((line, row) for line, row in _rows(manifest) if row.get("status", DONE) == DONE)
    pairs = [_pair(row, manifest.parent, f"{manifest}, line {line}") for line, row in rows]
    chosen = [pair for pair in pairs if split in ("all", pair.split)]
    if not chosen:
        raise UsageError(
            f"{manifest} lists no {'' if split == 'all' else split + ' '}pairs", f"it lists {len(pairs)} in all"
        )
    return chosen


def _manifest(data: Path) -> Path:
    candidates = [data / name for name in MANIFEST_NAMES] if data.is_dir() else [data]
    for path in candidates:
        if path.is_file():
            return path
    wanted = (
        f"expected {' or '.join(MANIFEST_NAMES)} in it" if data.is_dir() else "expected a CSV or JSON-lines manifest"
    )
    raise UsageError(f"{data} is not paired data", wanted)


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each row with its line number, from 1."""
    try:
        text = [line.decode("utf-8-sig" if number == 1 else "utf-8") for number, line in lines(manifest)]
        yield from _json_rows(text) if manifest.suffix in (".jsonl", ".ndjson") else _csv_rows(text)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"cannot read {manifest}: {error}", "a manifest is UTF-8 text") from None


def _csv_rows(text: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text, skipinitialspace=True)
    for row in reader:
        yield reader.line_num, {key: value for key, value in row.items() if isinstance(key, str) and value is not None}


def _json_rows(text: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            yield number, parsed(line, dict[str, str | int | float | bool | None])
        except SchemaError as error:
            raise SchemaError(f"line {number}: {error}") from None


def _pair(row: Mapping[str, Any], folder: Path, place: str) -> Pair:
    missing = [column for column in REQUIRED if row.get(column) in (None, "")]
    if missing:
        raise UsageError(f"{place}: no {' and no '.join(missing)}", f"needed columns: {', '.join(REQUIRED)}")
    clean, noisy = (_picture(folder / str(row[column]), place) for column in ("clean", "noisy"))
    split = str(row.get("split") or "train")
    if split not in ("train", "val"):
        raise UsageError(f"{place}: unknown split {split!r}", "train or val")
    scene, name = str(row.get("scene") or clean.stem), Path(str(row["noisy"])).as_posix()
    stated = "noise" in row or row.get("weights")
    origin = origin_of(row) if stated else pair_origin(noisy, find_instance(scene) or find_instance(name))
    condition = Condition(written_camera(str(row["camera"])), _iso(row["iso"], origin, place))
    return Pair(clean, noisy, condition, scene, split, name, origin)


def pair_origin(noisy: Path, instance: SceneInstance | None) -> Origin:
    """The origin of the noise of a picture whose data do not state it.

    As the journal of a folder above it records; without one, pictures of SIDD's own instances are of a camera.
    """
    recorded = origin_of(record_of(noisy))
    return REAL if recorded == UNSTATED and instance is not None and instance.published else recorded


def _picture(path: Path, place: str) -> Path:
    if not os.path.lexists(path):  # what cannot be read fails by itself, and the other pairs are done
        raise UsageError(f"{place}: {path} does not exist", "paths are relative to the manifest")
    return path


def written_camera(name: str) -> str:
    """The code of a camera that has one, by code or full name; any other name as it is written."""
    name = name.strip()
    return next((code for code, full in CAMERA_NAMES.items() if name.lower() in (code.lower(), full.lower())), name)


def _iso(value: object, origin: Origin, place: str) -> int:
    try:
        iso = int(str(value))
    except ValueError:
        raise UsageError(f"{place}: {value!r} is not an ISO speed", "a positive whole number, like 800") from None
    refuse_iso(iso, origin, place)
    return iso
