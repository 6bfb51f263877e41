"""Every format that the tool reads: a sound file of each, how it is damaged, and the commands that read it."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.faults import changes
from scripts.faults.processes import ROOT, Launcher
from scripts.faults.targets import picture
from scripts.mutants import seeds

ISP = ("-c", "IP", "-i", "800", "-w", "isp", "--device", "cpu")
SYNTHESIZE = ("synthesize", "clean", *ISP, "-o", "made", "--resume")
MAKE_PAIRS = ("make-pairs", "clean", *ISP, "--patch", "16", "-o", "made", "--resume")
DNCNN = ("train", "pairs", "--arch", "dncnn", "--steps", "2", "--batch", "1", "-o", "run", "--accept-synthetic")
LITE = ("train", "--simulate", "clean", "--flow-steps", "1", "--spatial-steps", "1", "--batch", "1", "-o", "run")
LOCK = {
    "pid": 4_000_000,
    "host": "elsewhere",
    "started": 1.0,
    "command": "nmflowgan synthesize",
    "job": "",
    "ended": True,
    "planned": ["0.png", "1.png"],
}


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    name: str
    file: str
    """The file that is damaged, below a folder that also holds whatever belongs to it."""
    change: Callable[[bytes, np.random.Generator], bytes]
    commands: Sequence[tuple[str, ...]]
    base: str
    """Name of the folder, see `Bases`."""
    registry: bool = False
    """The file takes the place of the registry of weights."""


def _scored(*data: str) -> tuple[str, ...]:
    return ("evaluate", *data, "-w", "awgn", "--patch", "16", "--accept-synthetic")


def _pictures() -> list[Format]:
    command = ("synthesize", "mutant", *ISP, "-o", "noisy.png")
    return [Format(name, "mutant", changes.damaged, [command], f"picture {name}") for name in seeds()]


FORMATS: Sequence[Format] = (
    *_pictures(),
    Format(
        "exif",
        "mutant",
        changes.within(b"Exif\0\0", 60),
        [("synthesize", "mutant", *ISP, "-o", f"noisy.{suffix}") for suffix in ("png", "jpg", "tiff", "webp")],
        "picture jpeg",
    ),
    *(
        Format(
            f"weights {name}",
            "w.safetensors",
            changes.safetensors_file,
            [
                *(("weights", "info", "w.safetensors", *more) for more in ((), ("--json",))),
                ("synthesize", "clean/0.png", "-c", "IP", "-i", "800", "-w", "w.safetensors", "-o", "noisy.png"),
                *more,
            ],
            f"weights {name}",
        )
        for name, more in (
            (
                "lite",
                [("synthesize", "clean/0.png", "-c", "random", "-i", "random", "-w", "w.safetensors", "-o", "out")],
            ),
            ("gaussian", [_scored("pairs", "-w", "w.safetensors")]),
            ("dncnn", [("evaluate", "pairs", "--denoiser", "w.safetensors", "--accept-synthetic", "--split", "all")]),
        )
    ),
    *(
        Format(
            f"checkpoint .pth, {name}",
            "w.pth",
            changes.zip_file,
            [("weights", "import", "w.pth", "-o", "w.safetensors")],
            f"pth {name}",
        )
        for name in ("sound", "payload", "old payload")
    ),
    Format("checkpoint.pt, dncnn", "run/checkpoint.pt", changes.zip_file, [(*DNCNN, "--resume")], "run dncnn"),
    Format("checkpoint.pt, lite", "run/checkpoint.pt", changes.zip_file, [(*LITE, "--resume")], "run lite"),
    Format("checkpoint.pt, payload", "run/checkpoint.pt", changes.zip_file, [(*DNCNN, "--resume")], "run payload"),
    Format("metrics.jsonl", "run/metrics.jsonl", changes.json_lines, [(*DNCNN, "--resume")], "run dncnn"),
    *(
        Format(
            f"manifest of users, {kind}",
            f"data/manifest.{kind}",
            change,
            [
                _scored("data"),
                ("make-pairs", "data", "--patch", "16", "-o", "made"),
                ("train", "data", "--arch", "heteroscedastic", "-o", "run", "--accept-synthetic"),
            ],
            f"manifest {kind}",
        )
        for kind, change in (("csv", changes.csv_file), ("jsonl", changes.json_lines))
    ),
    *(
        Format(
            f"journal of {command[0]}",
            "made/manifest.jsonl",
            changes.json_lines,
            [command, ("verify", "made"), ("verify", "made", "--repair"), *more],
            f"made {command[0]}",
        )
        for command, more in ((SYNTHESIZE, ()), (MAKE_PAIRS, (_scored("made"),)))
    ),
    Format("lock", "made/.nmflowgan.lock", changes.json_file, [SYNTHESIZE, ("verify", "made")], "lock"),
    *(
        Format(name, file, changes.damaged, [_scored(of), ("make-pairs", of, "--patch", "16", "-o", "made")], name)
        for name, file, of in (
            ("hdf5", "p.hdf5", "p.hdf5"),
            ("webdataset", "p.tar", "p.tar"),
            ("parquet", "p.parquet", "p.parquet"),
            ("lmdb", "made/train/lq.lmdb/data.mdb", "made"),
            ("mat", "blocks/ValidationNoisyBlocksSrgb.mat", "blocks"),
            ("mat, compressed", "blocks/ValidationNoisyBlocksSrgb.mat", "blocks"),
        )
    ),
    Format(
        "registry.json",
        "weights/registry.json",
        changes.json_file,
        [
            *(("weights", *more) for more in (("list",), ("info", "sidd-lite"), ("fetch", "sidd-lite"), ("verify",))),
            ("synthesize", "clean/0.png", "-c", "IP", "-i", "800", "-o", "noisy.png"),
        ],
        "registry",
        registry=True,
    ),
)


class Payload:
    """A pickle of this calls whatever it likes: here, what leaves a file behind."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.arguments


PAYLOADS = (Payload(open, "executed", "w"), Payload(os.system, "touch executed"), Payload(exec, "open('executed','w')"))


class Bases:
    """The folders that hold sound files, by name; made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launcher = Launcher(folder / "streams")
        self._pictures()
        self._weights()
        self._data()
        self.launcher.close()

    def _new(self, name: str, *parts: str) -> Path:
        """A new folder with copies of parts of the folder "common"."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        for part in parts:
            copy = shutil.copytree if (self.folder / "common" / part).is_dir() else shutil.copy
            copy(self.folder / "common" / part, folder / part)
        return folder

    def _run(self, folder: Path, *arguments: str) -> None:
        ended = self.launcher.run(arguments, folder)
        if ended.code:
            raise SystemExit(f"{' '.join(arguments)} ends with {ended.code}: {ended.stderr}")

    def _pictures(self) -> None:
        for name, content in seeds().items():
            (self._new(f"picture {name}") / "mutant").write_bytes(content)
        common = self._new("common")
        for number in range(2):
            picture(common / "clean" / f"{number}.png", 66, 72, number)
        self._run(common, "make-pairs", "clean", *ISP, "--patch", "64", "--val-share", "0.5", "-o", "pairs", "-q")

    def _weights(self) -> None:
        shutil.copy(ROOT / "weights" / "sidd-lite.safetensors", self._new("weights lite", "clean") / "w.safetensors")
        fit = ("train", "pairs", "--accept-synthetic", "--arch", "heteroscedastic", "-o", "run", "-q")
        for name, command in (("gaussian", fit), ("dncnn", (*DNCNN, "-q"))):
            folder = self._new(f"weights {name}", "clean", "pairs")
            self._run(folder, *command)
            shutil.move(folder / "run" / "model.safetensors", folder / "w.safetensors")
            shutil.rmtree(folder / "run")
        for name, command in (("dncnn", DNCNN), ("lite", LITE)):
            folder = self._new(f"run {name}", "clean", "pairs")
            self._run(folder, *command, "-q")
            (folder / "run" / "model.safetensors").unlink()
        self._checkpoints()
        weights = self._new("registry", "clean") / "weights"
        weights.mkdir()
        for file in ROOT.glob("weights/*.*"):
            shutil.copy(file, weights / file.name)

    def _checkpoints(self) -> None:
        sound = ROOT / "tests" / "fixtures" / "official_small.pth"
        shutil.copy(sound, self._new("pth sound") / "w.pth")
        content = torch.load(sound, weights_only=True)
        hostile = {**content, "payload": PAYLOADS}
        torch.save(hostile, self._new("pth payload") / "w.pth")
        torch.save(hostile, self._new("pth old payload") / "w.pth", _use_new_zipfile_serialization=False)
        folder = self.folder / "run payload"
        shutil.copytree(self.folder / "run dncnn", folder)
        state = torch.load(folder / "run" / "checkpoint.pt", weights_only=True)
        torch.save({**state, "payload": PAYLOADS}, folder / "run" / "checkpoint.pt")

    def _data(self) -> None:
        for kind in ("csv", "jsonl"):
            self._manifest(kind)
        for command in (SYNTHESIZE, MAKE_PAIRS):
            self._run(self._new(f"made {command[0]}", "clean"), *command, "-q")
        shutil.copytree(self.folder / "made synthesize", self.folder / "lock")
        (self.folder / "lock" / "made" / ".nmflowgan.lock").write_text(json.dumps(LOCK))
        for name, suffix in (("hdf5", "hdf5"), ("webdataset", "tar"), ("parquet", "parquet"), ("lmdb", "")):
            folder = self._new(name, "clean")
            self._run(folder, *MAKE_PAIRS, "--container", name, "-q")
            if suffix:
                shutil.move(next((folder / "made").rglob(f"*.{suffix}")), folder / f"p.{suffix}")
                shutil.rmtree(folder / "made")
        for name, compressed in (("mat", False), ("mat, compressed", True)):
            self._blocks(self._new(name) / "blocks", compressed=compressed)

    def _manifest(self, kind: str) -> None:
        folder = self._new(f"manifest {kind}", "clean") / "data"
        folder.mkdir()
        for side, seed in (("clean", 0), ("noisy", 1)):
            picture(folder / f"{side}.png", 48, 48, seed)
        row = {"clean": "clean.png", "noisy": "noisy.png", "camera": "IP", "iso": "800", "scene": "desk"}
        rows = [{**row, "split": split, "noise": "real"} for split in ("train", "val")]
        rows[1]["scene"] = "door"
        csv = "\n".join(",".join(values) for values in (row | {"split": "", "noise": ""}, *(r.values() for r in rows)))
        text = csv if kind == "csv" else "\n".join(json.dumps({**row, "iso": 800}) for row in rows)
        (folder / f"manifest.{kind}").write_text(text + "\n")

    def _blocks(self, folder: Path, *, compressed: bool) -> None:
        from scipy.io import savemat

        folder.mkdir()
        blocks = np.random.default_rng(0).integers(0, 256, (40, 1, 16, 16, 3), np.uint8)
        for name in ("ValidationGtBlocksSrgb", "ValidationNoisyBlocksSrgb"):
            savemat(folder / f"{name}.mat", {name: blocks}, do_compression=compressed)
