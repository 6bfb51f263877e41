"""What a training learns from: paired data, simulated pairs of clean photographs, or both."""

import filecmp
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition, camera_code
from nmflowgan_cli.data.batches import BatchSource
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.data.origin import Origin, stated
from nmflowgan_cli.data.patches import Balance, PairSource, census
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.reading import Paired, Splits, divide, of_camera, read_paired
from nmflowgan_cli.data.simulate import Simulator, load_clean
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.models.nmflowgan.rendering import PERIOD, Rendering
from nmflowgan_cli.notices import notice
from nmflowgan_cli.profiles.files import read_profile


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What the user says of the training data."""

    pairs: Path | None = None
    """A SIDD folder, a manifest, a folder pair or HDF5 files."""
    simulate: Path | None = None
    """A folder of clean photographs."""
    profiles: tuple[Path, ...] = ()
    """Noise profiles of the cameras to simulate; none for the packaged cameras."""
    split: str = ""
    """See `data.reading.divide`; "" for what is usual for the data."""
    balance: Balance = "code"
    simulate_share: float = 0.5
    """Of the patches, where there are real and simulated ones."""
    camera: str = ""
    """The only camera to learn; and that of folder pairs which do not say theirs."""
    accept_synthetic: bool = False
    """Whether pairs whose noise is not stated to be real may stand for real ones."""
    rendered: Rendering = "plain"
    """How the pictures were rendered; crops begin where its positions repeat, if the model must know them."""
    iso: int | None = None
    """Of folder pairs that do not say theirs."""

    def __post_init__(self) -> None:
        if self.pairs is None and self.simulate is None:
            raise UsageError("nothing to train on", "give paired data, or --simulate and a folder of clean photographs")
        if self.profiles and self.simulate is None:
            raise UsageError("--profile is for simulated pairs", "give --simulate and a folder of clean photographs")
        if self.simulate is not None and self.rendered != "plain":
            raise UsageError(
                f"simulated pairs are not rendered by a {self.rendered}", "leave out --simulate or --rendered"
            )

    def pair_source(self, pairs: Sequence[Paired], patch: int) -> PairSource:
        """Batches of the real `pairs`."""
        return PairSource(pairs, patch, balance=self.balance, step=PERIOD["camera"] if self.rendered == "camera" else 1)


def open_source(options: DataOptions, patch: int) -> tuple[BatchSource, tuple[str, ...]]:
    """The source of batches, and a line for each kind of data that it draws from.

    Raises UsageError or PictureError for whatever is wrong with the data, as far as it shows without decoding all.
    """
    simulator = _simulator(options, patch) if options.simulate else None
    if options.pairs is None:
        assert simulator is not None
        return simulator, (_simulated(simulator),)
    train = read_splits(options)["train"]
    pairs, real = options.pair_source(train, patch), pairs_line(options, train)
    source = pairs if simulator is None else MixedSource(simulator, pairs, options.simulate_share)
    notice_noiseless(train)
    return source, (real,) if simulator is None else (real, _simulated(simulator))


def notice_noiseless(pairs: Sequence[Paired]) -> None:
    """A notice of how many pairs have the same file twice, if there are any."""
    same = sum(_is_noiseless(pair) for pair in pairs)
    if same:
        notice(f"{same} of {len(pairs)} pairs have no noise: their clean and noisy pictures are the same")


def _is_noiseless(pair: Paired) -> bool:
    return isinstance(pair, Pair) and filecmp.cmp(pair.clean, pair.noisy, shallow=False)


def pairs_line(options: DataOptions, pairs: Sequence[Paired]) -> str:
    """The pairs that weights were trained on, and the origin of their noise, for the header."""
    assert options.pairs is not None
    origins: Counter[Origin] = Counter()
    for pair in pairs:
        origins[pair.origin] += pair.size()[0]
    number, place = origins.total(), options.pairs.resolve().name
    if all(origin.real for origin in origins):
        return f"{number} real pairs of {place}"
    return f"{number} pairs of {place}: {stated(origins)}"


def read_splits(options: DataOptions) -> Splits:
    """The real pairs to train on and to hold out, of the chosen camera; none where there are no real pairs."""
    if options.pairs is None:
        return {"train": [], "val": []}
    condition = Condition(_known_code(options.camera), options.iso) if options.camera and options.iso else None
    found, usual = read_paired(options.pairs, condition=condition)
    return divide(of_camera(found, options.camera), options.split or usual)


def census_toml(options: DataOptions, patch: int) -> str:
    """The patches of each code as TOML, a table a split, at half a patch's step; raises what `open_source` raises."""
    lines: list[str] = []
    for split, pairs in read_splits(options).items():
        counts = census(pairs, patch)
        if counts:
            lines += ["", f"[patches.{split}]", *(f'"{condition}" = {count}' for condition, count in counts.items())]
            lines.append(f'"all" = {sum(counts.values())}')
    return "\n".join(lines)


def _simulated(simulator: Simulator) -> str:
    return f"simulated pairs ({simulator.name}) from {len(simulator.pictures)} clean photographs"


def _simulator(options: DataOptions, patch: int) -> Simulator:
    assert options.simulate is not None
    profiles = _of_files(options.profiles) if options.profiles else camera_profiles()
    if options.camera:
        code = camera_code(options.camera, tuple(profiles))
        profiles = {code: profiles[code]}
    name = f"noise profile of {', '.join(profiles)}" if options.profiles else "ISP simulator"
    return Simulator(load_clean(options.simulate, smallest=patch), profiles, patch, name)


def _of_files(paths: Sequence[Path]) -> dict[str, CameraProfile]:
    """The cameras of profile files by name; noise of an unknown ISO has ISO 0. Raises WeightsError, UsageError."""
    cameras: dict[str, CameraProfile] = {}
    for path in paths:
        profile = read_profile(path)
        if not profile.mosaic:
            raise UsageError(f"{path} has no mosaic", "cameras of colour pictures are simulated; use it in synthesize")
        if profile.renderings or profile.sampled:
            raise UsageError(f"{path} is of pictures that were rendered or sampled down", "plain ones are simulated")
        if profile.name in cameras:
            raise UsageError(f"two profiles are of {profile.name}", "put their ISOs into one, or rename one of them")
        camera = profile.camera
        if not profile.iso_known:
            camera = replace(camera, noise=dict.fromkeys([UNKNOWN_ISO], *camera.noise.values()))
        cameras[profile.name] = camera
    return cameras


def _known_code(camera: str) -> str:
    """The code of a camera that has one; any other name as it is written."""
    try:
        return camera_code(camera)
    except UsageError:
        return camera
