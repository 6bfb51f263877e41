"""Candidates of an evaluation: weights, the camera simulator, and reference models fitted on the spot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import PictureError, UsageError
from nmflowgan_cli.evaluation.likelihood import likelihood_of
from nmflowgan_cli.evaluation.pair_scores import Candidate, Draw, Synthesizer, pictures_of
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.models.base import NoiseModel, to_bytes
from nmflowgan_cli.models.gaussian import FITS, LoadedPair, level_moments
from nmflowgan_cli.models.oracle import POOL, fit_oracle
from nmflowgan_cli.synthesis import engine
from nmflowgan_cli.synthesis.weights import Weights, find_weights

ORACLE = "oracle"
FITTED = (*FITS, ORACLE)
"""Names of the references that are fitted on real pairs."""
NAMED = 3
"""Pairs whose failure is reported, where all fail."""


def candidates(
    names: Sequence[str],
    fit_pairs: Sequence[Paired],
    *,
    fit_note: str,
    load: Callable[[str], NoiseModel],
    device: torch.device | str = "cpu",
    precision: str = "auto",
) -> list[Candidate]:
    """The candidates of these names, in their order; raises UsageError for a name that stands twice.

    `fit_pairs`: what the references are fitted on, named in their note by `fit_note`. `load`: the model of any other
    name, see `open_weights`. `precision`: of `runtime.precision_context`.
    """
    if len(set(names)) < len(names):
        raise UsageError(f"a model is named twice: {', '.join(names)}")
    fitted = _fitted(names, fit_pairs)
    entries = []
    for name in names:
        model = (fitted[name] if name in fitted else load(name)).to(device)
        note = fit_note if name in fitted else ""
        if name == ORACLE:
            note += f"; draws from at least {POOL} pixels"
        synthesize = _synthesizer(model, device, precision)
        if model.vocabulary.any_camera:
            note = f"the noise of {model.vocabulary.cameras[0]} in place of every camera's"
        entries.append(Candidate(name, synthesize, _check(model), note, likelihood_of(model, device)))
    return entries


def _check(model: NoiseModel) -> Callable[[Condition], None]:
    return lambda condition: model.vocabulary.check(model.vocabulary.stand_in(condition))


def _fitted(names: Sequence[str], pairs: Sequence[Paired]) -> dict[str, NoiseModel]:
    """The references among `names`, fitted on these pairs."""
    gaussian = [name for name in names if name in FITS]
    sums = level_moments(_loaded(pairs)) if gaussian else {}
    models: dict[str, NoiseModel] = {name: FITS[name](sums) for name in gaussian}
    if ORACLE in names:
        models[ORACLE] = fit_oracle(_loaded(pairs))
    return models


def _loaded(pairs: Sequence[Paired]) -> Iterator[LoadedPair]:
    """All pictures that can be read; the pairs that cannot are named by the evaluation.

    Raises PictureError with the reasons of the first few where none can.
    """
    readable, failures = False, []
    for pair in pairs:
        try:
            clean, noisy = pair.load()
        except PictureError as error:
            failures.append(str(error))
            continue
        readable = True
        for one_clean, one_noisy in zip(pictures_of(clean), pictures_of(noisy), strict=True):
            yield pair.condition, one_clean, one_noisy
    if not readable:
        reasons = "; ".join(failures[:NAMED] + ["..."] * (len(failures) > NAMED))
        raise PictureError(f"none of the {len(pairs)} pairs to fit the reference models on can be read: {reasons}")


def _synthesizer(model: NoiseModel, device: torch.device | str, precision: str) -> Synthesizer:
    def draw(rgb: Bytes, condition: Condition, key: int) -> Draw:
        taken = model.vocabulary.stand_in(condition)
        counts = engine.synthesize(model, rgb, taken, key, device=device, precision=precision, dtype=np.float32)
        return Draw(to_bytes(torch.from_numpy(counts)).numpy(), counts)

    return draw


def open_weights(cache_dir: Path | None, known: Mapping[str, Weights] | None = None) -> Callable[[str], NoiseModel]:
    """A loader of the models that `synthesis.weights.find_weights` finds by name or path, and of `known` ones."""
    found = known or {}
    return lambda name: (found.get(name) or find_weights(name, cache_dir=cache_dir)).load()
