"""Request of a `make-pairs` run as one value, and its plan; mistakes are reported before any work."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from nmflowgan_cli.data.containers import Container
from nmflowgan_cli.data.folders import is_folder_pair
from nmflowgan_cli.data.manifest import MANIFEST_NAMES, Pair
from nmflowgan_cli.data.reading import divide, read_paired
from nmflowgan_cli.data.sidd import is_sidd
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.notices import notice
from nmflowgan_cli.pairs.plan import Cutting, PairPlan, Take, divided, pair_plan, real_takes, synthetic_takes
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.inputs import find_pictures, framed
from nmflowgan_cli.synthesis.noise_choice import NoiseChoice
from nmflowgan_cli.synthesis.plan import SAME, depth_named
from nmflowgan_cli.synthesis.weights import Weights


@dataclass(frozen=True, kw_only=True)
class PairRequest:
    """The inputs and settings of a run."""

    inputs: tuple[str, ...]
    cameras: tuple[str, ...]
    isos: tuple[str, ...]
    output: Path
    cutting: Cutting
    listed: bytes = b""
    """The bytes of standard input, where "-" is among the inputs."""
    null: bool = False
    """Whether that list is separated by NUL even if it holds none."""
    relative_to: Path | None = None
    """The folder that relative paths start from; None: the folder, pattern or list that a picture was found by."""
    noise: NoiseChoice = field(default_factory=NoiseChoice)
    """What makes the noise of clean pictures."""
    resume: bool = False
    seed: int = 0
    repeats: int = 1
    depth: str = SAME
    """Bits a channel of the pairs: "8", "16", or "same" as the pictures."""
    frames: bool = False
    """Whether to take all frames of animations and pages of TIFF."""
    split: str = ""
    """Of real pairs, see `data.reading.divide`; "" for that of the data."""
    val_share: float | None = None
    """None: no val split of clean pictures, and that of the data for real pairs."""


@dataclass(frozen=True)
class PreparedPairs:
    """The plan of a request, and the weights that its noisy pictures are made with; None for real pairs."""

    plan: PairPlan
    weights: Weights | None


def prepare_pairs(request: PairRequest) -> PreparedPairs:
    """The plan of `request`; raises UsageError, ConditionError or WeightsError for any mistake.

    With a camera and an ISO, or with a profile, the inputs are clean pictures; without both they are paired data.
    """
    clean, depth = bool(request.cameras) or request.noise.of_profile, depth_named(request.depth)
    if bool(request.cameras) != bool(request.isos) and not request.noise.of_profile:
        missing = "--iso" if request.cameras else "--camera"
        raise UsageError(f"{missing} is missing", "clean pictures need --camera and --iso, real pairs neither")
    weights = None
    if clean and request.split:
        raise UsageError("--split is for real pairs", "--val-share divides clean pictures")
    if clean:
        weights = request.noise.find(request.cameras, resumed=request.output if request.resume else None)
        takes = _synthetic(request, weights)
    else:
        takes = _real(request)
    if request.val_share is not None:
        takes = divided(takes, request.val_share, request.seed)
    return PreparedPairs(pair_plan(takes, request.cutting, depth), weights)


def refuse_filled(folder: Path) -> None:
    """Raise UsageError unless `folder` is empty or does not exist: old patches would get among the new ones."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"output folder {folder} is not empty", "--resume goes on with it, or choose another -o")


def refuse_unshareable(container: Container, shard: str | None) -> None:
    """Raise UsageError where several processes would write what only one can."""
    if shard is not None and not container.shareable:
        raise UsageError(f"shard {shard} of a database, which has one writer", "another --container, or one process")


def _synthetic(request: PairRequest, weights: Weights) -> list[Take]:
    for text in request.inputs:
        _refuse_paired(text)
    drawn = choices(weights.vocabulary, request.cameras, request.isos)
    sources = find_pictures(
        request.inputs, request.listed, null=request.null, relative_to=request.relative_to, without=request.output
    )
    sources = framed(sources) if request.frames else sources
    return synthetic_takes(sources, drawn, repeats=request.repeats, seed=request.seed)


def _real(request: PairRequest) -> list[Take]:
    given = {
        "--repeats": request.repeats > 1,
        "--weights": request.noise.weights is not None,
        "--rendered": bool(request.noise.rendered),
        "--white-balance": bool(request.noise.white_balance),
        "--frames": request.frames,
        "--relative-to": request.relative_to is not None,
    }
    if request.split and request.val_share is not None:
        raise UsageError("--split and --val-share both divide the pairs", "leave one of them out")
    for asked in (flag for flag, there in given.items() if there):
        raise UsageError(f"{asked} is for clean pictures", "with --camera and --iso, or leave it out for real pairs")
    return real_takes(pair for text in request.inputs for pair in _pairs(Path(text), request.split))


def _pairs(data: Path, split: str) -> list[Pair]:
    found, _ = read_paired(data)
    pairs = [pair for pair in found if isinstance(pair, Pair)]
    if len(pairs) < len(found):
        raise UsageError(f"{data} holds patches, not pictures", "they are cut already")
    if not split:
        return pairs
    parts = divide(pairs, split)
    return [replace(pair, split=part) for part, members in parts.items() for pair in members if isinstance(pair, Pair)]


def refuse_unsupported(container: Container, plan: PairPlan, *, force: bool) -> None:
    """Raise UsageError for pairs that are too deep for the container, and for a camera or ISO that the code which reads
    it cannot know; with `force`, notices of the latter.

    Raises for the first of them.
    """
    for cut in plan.cuts:
        if cut.depth > container.deepest:
            problem = f"{cut.depth} bits a channel of {cut.take.clean}, where the container holds {container.deepest}"
            raise UsageError(problem, f"--depth {container.deepest} rounds them, or another --container")
    reasons = dict.fromkeys(container.unsupported(cut.take.condition) for cut in plan.cuts)
    for reason in filter(None, reasons):
        if not force:
            raise UsageError(reason, "choose other cameras and ISOs, another --container, or --force")
        notice(reason)


def _refuse_paired(text: str) -> None:
    """Raise UsageError for a folder of pairs: its noisy pictures would get noise once more."""
    folder = Path(text)
    if folder.is_dir() and ((folder / MANIFEST_NAMES[0]).is_file() or is_folder_pair(folder) or is_sidd(folder)):
        raise UsageError(f"{folder} holds pairs", "leave out --camera and --iso, or name its folder of clean pictures")
