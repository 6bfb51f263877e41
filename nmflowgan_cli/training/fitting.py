"""Gaussian reference models of real pairs: one pass of sums over the pictures, and a weights file like any other."""

from collections.abc import Iterable, Iterator
from time import monotonic

from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.files import make_folder, write_whole
from nmflowgan_cli.models.gaussian import FITS, GaussianNoise, LoadedPair, level_moments
from nmflowgan_cli.models.registry import architecture
from nmflowgan_cli.training import card
from nmflowgan_cli.training.loop import Progress, TrainingOutcome
from nmflowgan_cli.training.run import ELSEWHERE, WEIGHTS, TrainingRequest, held, named
from nmflowgan_cli.training.sources import pairs_line, read_splits


def fitted(model: str, pairs: Iterable[Paired]) -> GaussianNoise:
    """The model of that name (of `models.gaussian.FITS`) of all these pairs, with a mean; PictureError for a bad one.

    A picture at a time is in memory.
    """
    return FITS[model](level_moments(_samples(pairs)))


def _samples(pairs: Iterable[Paired]) -> Iterator[LoadedPair]:
    for pair in pairs:
        clean, noisy = (picture.reshape(-1, *picture.shape[-3:]) for picture in pair.load())
        for one_clean, one_noisy in zip(clean, noisy, strict=True):
            yield pair.condition, one_clean, one_noisy


def run_fit(request: TrainingRequest, *, progress: Progress) -> TrainingOutcome:  # noqa: ARG001 - there are no steps
    """Fit a Gaussian model in one pass, and write its weights and its card.

    Raises UsageError or PictureError for bad data, TrainingError where the folder holds weights already.
    """
    if request.data.pairs is None:
        raise UsageError(f"--arch {request.architecture} is fitted on real pairs", "give DATA")
    began, path = monotonic(), request.run / WEIGHTS
    if path.exists():
        raise TrainingError(f"{request.run} holds weights already", "choose another --output")
    pairs = read_splits(request.data)["train"]
    model = fitted(request.architecture, pairs)
    model.vocabulary = named(model.vocabulary, request.camera_name)
    header = Header(
        architecture="gaussian",
        options={},
        vocabulary=model.vocabulary,
        name=request.name,
        data=(pairs_line(request.data, pairs),),
        terms=request.terms,
        training={"model": request.architecture},
    )
    make_folder(request.run, ELSEWHERE, TrainingError)
    with held(request.run):
        text = _card(header, request, seconds=monotonic() - began)
        write_whole(request.run / card.FILE, text.encode(), TrainingError)
        save_weights(path, model.state_dict(), header, TrainingError)  # last: a run that has weights is finished
    return TrainingOutcome(step=0, finished=True, interrupted=False, weights=path)


def _card(header: Header, request: TrainingRequest, *, seconds: float) -> str:
    cameras, kind = len(header.vocabulary.cameras), architecture(request.architecture).title
    facts = {"Command": card.code(request.command), "Time": f"{seconds:.1f} seconds"}
    return card.draft(header, f"Noise of {cameras} cameras for clean photographs: {kind}", facts)
