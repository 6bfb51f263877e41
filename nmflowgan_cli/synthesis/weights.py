"""Noise models by name: registered weights, a weights file, a noise profile, or the camera simulator."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import NmflowganError, UsageError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.models.registry import of_header
from nmflowgan_cli.notices import notice
from nmflowgan_cli.synthesis.condition_choice import ANY, split

if TYPE_CHECKING:
    from nmflowgan_cli.models.base import NoiseModel
    from nmflowgan_cli.profiles.profile import NoiseProfile
    from nmflowgan_cli.synthesis.pipeline import Sampler

SIMULATOR = "isp"
"""The name of the camera simulator among the weights: it needs no file."""
SIMULATOR_TERMS = "MIT"
PROFILE_SUFFIX = ".json"
"""Of a noise profile: among the names of weights it means one."""


@dataclass(frozen=True)
class Weights:
    """A noise model that has been found and verified, but not been loaded."""

    name: str
    path: Path | None
    """None for the simulator, and for a profile that was not read from a file."""
    sha256: str
    """Hash of the file or profile, or of the simulator's camera profiles."""
    vocabulary: Vocabulary
    terms: str
    """Terms of use; those of the simulator are the code's."""
    profile: bytes | None = None
    """The file of a noise profile, whose hash is `sha256`; None for everything else."""
    references: tuple[str, ...] = ()
    """SHA-256 of the pictures that a profile was estimated from."""

    def load(self) -> "NoiseModel":
        """The model on the CPU, in evaluation mode; raises WeightsError."""
        from nmflowgan_cli.checkpoints.build import load_model
        from nmflowgan_cli.data.profiles import default_isp

        if self.profile is not None:
            from nmflowgan_cli.profiles.files import parse_profile
            from nmflowgan_cli.profiles.model import model_of

            return model_of(parse_profile(self.profile, self.name))
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
        from nmflowgan_cli.runtime import resolve_device, resolve_precision
        from nmflowgan_cli.synthesis.pipeline import Sampler

        place = resolve_device(device)
        resolve_precision(precision, place)  # refuses an unknown one before the work starts
        model = self.load().to(place)
        return Sampler(
            model=model,
            weights=self.name,
            weights_sha256=self.sha256,
            seed=seed,
            tile=tile,
            batch=batch,
            device=place,
            precision=resolve_precision(precision, place, bears_bfloat16=model.bears_bfloat16),
            references=self.references,
        )

    def keep(self, folder: Path) -> None:
        """Write a profile beside the manifest of `folder`, so that what it made can be made again."""
        if self.profile is not None:
            write_whole(folder / kept_name(self.sha256), self.profile, NmflowganError)


def kept_name(sha256: str) -> str:
    """The name of a profile beside a manifest."""
    return f"profile-{sha256[:8]}.json"


def find_weights(name: str | None, cameras: Sequence[str] = (), *, cache_dir: Path | None = None) -> Weights:
    """The weights of a name or a path, "isp" being the simulator and a .json file a noise profile.

    Without a name, those that know the cameras.

    `cameras` as on the command line: codes, names or "random", which means any camera of the weights that are taken:
    those that know all cameras that are named, or else the first of all. Terms that forbid some use are logged, once.
    Raises WeightsError, ConditionError.
    """
    if name == SIMULATOR:
        return _simulator()
    if name is not None and name.lower().endswith(PROFILE_SUFFIX):
        return profile_file(Path(name))
    from nmflowgan_cli.checkpoints.format import read_header
    from nmflowgan_cli.checkpoints.hub import resolve
    from nmflowgan_cli.files import sha256

    path = resolve(name or _knowing(cameras), cache_dir=cache_dir)
    header = read_header(path)
    found = Weights(header.name or path.stem, path, sha256(path), header.vocabulary, header.terms)
    if header.restricted:
        notice(f"terms of the weights {found.name}: {found.terms}")
    row = of_header(header.architecture)
    if row is not None and row.remark:
        notice(f"{found.name}: {row.remark}")
    return found


def profile_file(path: Path) -> Weights:
    """The noise of a profile file; raises WeightsError."""
    from nmflowgan_cli.profiles.files import parse_profile, read_bytes

    content = read_bytes(path)
    return _of_profile(parse_profile(content, str(path)), content, path)


def of_profile(profile: "NoiseProfile") -> Weights:
    """The noise of a profile that is in no file."""
    from nmflowgan_cli.profiles.files import profile_bytes

    return _of_profile(profile, profile_bytes(profile), None)


def _of_profile(profile: "NoiseProfile", content: bytes, path: Path | None) -> Weights:
    from nmflowgan_cli.profiles.model import vocabulary_of

    return Weights(
        profile.name,
        path,
        hashlib.sha256(content).hexdigest(),
        vocabulary_of(profile),
        "",
        content,
        tuple(reference.sha256 for reference in profile.references),
    )


def find_init(name: str, cache_dir: Path | None = None) -> Path:
    """The file of weights to go on from, by name or path; raises WeightsError, UsageError for the simulator."""
    path = find_weights(name, cache_dir=cache_dir).path
    if path is None or path.suffix.lower() == PROFILE_SUFFIX:
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
