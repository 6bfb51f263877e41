"""Request of the command line as one value, and its jobs. No torch here: mistakes are reported at once."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import kind, sweep
from nmflowgan_cli.journal import FILE_NAME
from nmflowgan_cli.lock import locked
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.inputs import STDIN, find_pictures, framed
from nmflowgan_cli.synthesis.manifest import Manifest
from nmflowgan_cli.synthesis.plan import ON_EXISTS, SAME, Job, naming, plan, refuse_existing, share


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
    depth: str = SAME
    """Bits a channel of the outputs: "8", "16", or "same" as each input."""
    frames: bool = False
    """Whether to make all frames of animations and pages of TIFF."""
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
    on_exists: str
    seed: int
    shard: str | None
    identity: str
    """Of what all shards make together, but for the weights."""
    is_file: bool
    """The output is a file, not a folder."""

    def skip(self, job: Job, weights_sha256: str) -> bool:
        """Whether `job` is to be left as it is."""
        if self.history is None:
            return self.on_exists == "skip" and job.output.exists()
        if self.history.finished(job, seed=self.seed, weights_sha256=weights_sha256):
            return True
        return self.on_exists == "skip" and bool(self._stranger(job, weights_sha256))

    @contextmanager
    def held(self, weights_sha256: str) -> Iterator[None]:
        """Hold the output folder, which exists, against other runs; raises UsageError as `refuse_others`."""
        if self.is_file:
            self.refuse_others(weights_sha256)
            yield
            return
        names = [job.output.relative_to(self.folder).as_posix() for job in self.jobs]
        job = f"{self.identity} {weights_sha256}" if self.shard else ""
        check = partial(self.refuse_others, weights_sha256)
        with locked(self.folder, job=job, shard=self.shard, planned=names, check=check):
            if self.history is not None:
                sweep(self.folder, names)
            yield

    def refuse_others(self, weights_sha256: str) -> None:
        """Raise UsageError for an existing output that this run may not replace."""
        if self.on_exists != "error":
            return
        if self.history is None:
            refuse_existing(self.jobs)
            return
        found = [(job, reason) for job in self.jobs if (reason := self._stranger(job, weights_sha256))]
        if found:
            job, reason = found[0]
            more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
            raise UsageError(
                f"output {job.output} {reason}{more}", "--on-exists overwrite replaces it, or choose another -o"
            )

    def _stranger(self, job: Job, weights_sha256: str) -> str:
        """Why an existing output is not of an earlier run of this kind; "" where it is, or does not exist."""
        if self.history is None or not os.path.lexists(job.output):
            return ""
        return self.history.stranger(job, seed=self.seed, weights_sha256=weights_sha256)


def prepare(request: SynthesisRequest, vocabulary: Vocabulary) -> Prepared:
    """The jobs of `request` for weights of this vocabulary; raises UsageError (or ConditionError) for any mistake."""
    if request.on_exists not in ON_EXISTS:
        raise UsageError(f"--on-exists {request.on_exists!r} is unknown", f"one of {', '.join(ON_EXISTS)}")
    drawn = choices(vocabulary, request.cameras, request.isos)
    sources = find_pictures(
        request.inputs, request.listed, null=request.null, relative_to=request.relative_to, without=request.output
    )
    sources = framed(sources) if request.frames else sources
    named = request.inputs[0]
    single = (
        len(request.inputs) == 1
        and len(sources) == 1
        and named != STDIN
        and os.path.lexists(named)
        and kind(named) != "folder"
    )
    names = naming(request.output, single=single, format=request.format, repeats=request.repeats, depth=request.depth)
    planned = plan(sources, names, drawn, request.seed)
    jobs = share(planned, request.shard)
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
        request.on_exists,
        request.seed,
        request.shard,
        _identity(request, planned),
        names.is_file,
    )


def _identity(request: SynthesisRequest, planned: Sequence[Job]) -> str:
    """A hash that the shards of one job have in common, and other jobs do not."""
    shards = (request.shard or "").partition("/")[2]
    facts = [(job.relative_path, job.repeat, str(job.condition), job.output.name, job.depth) for job in planned]
    return hashlib.sha256(repr((request.seed, shards, facts)).encode()).hexdigest()


def shard_of(environment: Mapping[str, str]) -> str | None:
    """The shard "K/N" that torchrun (RANK, WORLD_SIZE) or Slurm's srun gives this process; None outside of them.

    A Slurm batch script by itself also has SLURM_PROCID; only srun sets SLURM_STEP_NUM_TASKS.
    """
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if environment.get(size, "1") != "1" and rank in environment:
            return f"{int(environment[rank]) + 1}/{environment[size]}"
    return None
