"""Noise models by name: registered weights, a weights file, or the camera simulator."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.notices import notice
from nmflowgan_cli.synthesis.condition_choice import ANY, split

if TYPE_CHECKING:
    from nmflowgan_cli.models.base import NoiseModel
    from nmflowgan_cli.synthesis.pipeline import Sampler

SIMULATOR = "isp"
"""The name of the camera simulator among the weights: it needs no file."""
SIMULATOR_TERMS = "MIT"


@dataclass(frozen=True)
class Weights:
    """A noise model that has been found and verified, but not been loaded."""

    name: str
    path: Path | None
    """None for the simulator."""
    sha256: str
    """Hash of the file, or of the simulator's camera profiles."""
    vocabulary: Vocabulary
    terms: str
    """Terms of use; those of the simulator are the code's."""

    def load(self) -> "NoiseModel":
        """The model on the CPU, in evaluation mode; raises WeightsError."""
        from nmflowgan_cli.checkpoints.build import load_model
        from nmflowgan_cli.data.profiles import default_isp

        return default_isp() if self.path is None else load_model(self.path)

    def sampler(
        self,
        *,
        seed: int,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        batch: int | None = None,
    ) -> "Sampler":
        """The model on its device, with the common settings of a run; raises UsageError, WeightsError."""
        from nmflowgan_cli.runtime import precision_context, resolve_device
        from nmflowgan_cli.synthesis.pipeline import Sampler

        place = resolve_device(device)
        precision_context(precision, place)  # refuses an unknown one before the work starts
        return Sampler(
            model=self.load().to(place),
            weights=self.name,
            weights_sha256=self.sha256,
            seed=seed,
            tile=tile,
            batch=batch,
            device=place,
            precision=precision,
        )


def find_weights(name: str | None, cameras: Sequence[str] = (), *, cache_dir: Path | None = None) -> Weights:
    """The weights of a name or a path, "isp" being the simulator; without a name, those that know the cameras.

    `cameras` as on the command line: codes, names or "random", which means any camera of the weights that are taken:
    those that know all cameras that are named, or else the first of all. Terms that forbid some use are logged, once.
    Raises WeightsError, ConditionError.
    """
    if name == SIMULATOR:
        return _simulator()
    from nmflowgan_cli.checkpoints.format import read_header
    from nmflowgan_cli.checkpoints.hub import resolve
    from nmflowgan_cli.files import sha256

    path = resolve(name or _knowing(cameras), cache_dir=cache_dir)
    header = read_header(path)
    found = Weights(header.name or path.stem, path, sha256(path), header.vocabulary, header.terms)
    if header.restricted:
        notice(f"terms of the weights {found.name}: {found.terms}")
    return found


def find_init(name: str, cache_dir: Path | None = None) -> Path:
    """The file of weights to go on from, by name or path; raises WeightsError, UsageError for the simulator."""
    path = find_weights(name, cache_dir=cache_dir).path
    if path is None:
        raise UsageError(f"{name} has no weights to go on from", "a name of nmflowgan weights list, or a file")
    return path


def _simulator() -> Weights:
    from nmflowgan_cli.data.profiles import default_isp

    profiles = files("nmflowgan_cli.data").joinpath("camera_profiles.json").read_bytes()
    return Weights(SIMULATOR, None, hashlib.sha256(profiles).hexdigest(), default_isp().vocabulary, SIMULATOR_TERMS)


def _knowing(cameras: Sequence[str]) -> str:
    """The name of the first registered weights that know all cameras that are named."""
    from nmflowgan_cli.checkpoints.hub import for_cameras

    return for_cameras([name for name in split(cameras) if name != ANY]).name
