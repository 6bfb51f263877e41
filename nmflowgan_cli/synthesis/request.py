"""Request of the command line as one value, and its jobs. No torch here: mistakes are reported at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.journal import FILE_NAME
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.inputs import STDIN, find_pictures
from nmflowgan_cli.synthesis.manifest import Manifest
from nmflowgan_cli.synthesis.plan import ON_EXISTS, Job, naming, plan, refuse_existing, share


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """Pictures to make, and where to write them."""

    inputs: tuple[str, ...]
    cameras: tuple[str, ...]
    isos: tuple[str, ...]
    output: Path
    listed: bytes = b""
    """The bytes of standard input, where "-" is among the inputs."""
    null: bool = False
    """Whether that list is separated by NUL even if it holds none."""
    relative_to: Path | None = None
    """The folder that relative paths start from; None: the folder, pattern or list that a picture was found by."""
    seed: int = 0
    repeats: int = 1
    format: str | None = None
    on_exists: str = "error"
    resume: bool = False
    shard: str | None = None
    manifest: bool | None = None
    """Whether to write a manifest; None: where the output is a folder."""


@dataclass(frozen=True)
class Prepared:
    """The jobs of a request; nothing has been written yet."""

    jobs: list[Job]
    folder: Path
    manifest: Manifest | None
    """The manifest to append records to."""
    history: Manifest | None
    """The manifest of the earlier run; None unless it is resumed."""
    skip_existing: bool
    seed: int

    def skip(self, job: Job, weights_sha256: str) -> bool:
        """Whether `job` is to be left as it is."""
        if self.history is not None:
            return self.history.finished(job, seed=self.seed, weights_sha256=weights_sha256)
        return self.skip_existing and job.output.exists()


def prepare(request: SynthesisRequest, vocabulary: Vocabulary) -> Prepared:
    """The jobs of `request` for weights of this vocabulary; raises UsageError (or ConditionError) for any mistake."""
    if request.on_exists not in ON_EXISTS:
        raise UsageError(f"--on-exists {request.on_exists!r} is unknown", f"one of {', '.join(ON_EXISTS)}")
    drawn = choices(vocabulary, request.cameras, request.isos)
    sources = find_pictures(
        request.inputs, request.listed, null=request.null, relative_to=request.relative_to, without=request.output
    )
    single = len(request.inputs) == 1 and request.inputs[0] != STDIN and Path(request.inputs[0]).is_file()
    names = naming(request.output, single=single, format=request.format, repeats=request.repeats)
    jobs = share(plan(sources, names, drawn, request.seed), request.shard)
    if request.on_exists == "error" and not request.resume:
        refuse_existing(jobs)
    folder = request.output.parent if names.is_file else request.output
    manifest = Manifest(folder / FILE_NAME)
    wanted = not names.is_file if request.manifest is None else request.manifest
    return Prepared(
        jobs,
        folder,
        manifest if wanted else None,
        manifest if request.resume else None,
        request.on_exists == "skip",
        request.seed,
    )


def shard_of(environment: Mapping[str, str]) -> str | None:
    """The shard "K/N" that torchrun (RANK, WORLD_SIZE) or Slurm's srun gives this process; None outside of them.

    A Slurm batch script by itself also has SLURM_PROCID; only srun sets SLURM_STEP_NUM_TASKS.
    """
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if environment.get(size, "1") != "1" and rank in environment:
            return f"{int(environment[rank]) + 1}/{environment[size]}"
    return None
