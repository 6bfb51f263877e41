"""Scores of one model on one pair: the protocol's unit of work."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.evaluation.scores import UNKNOWN, NoiseStatistics, PictureScore
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.metrics.moments import FloatArray, noise_of
from nmflowgan_cli.metrics.noise import FINE, PATCH, akld, local_variance, patch_kld, self_floor
from nmflowgan_cli.randomness import picture_key


@dataclass(frozen=True)
class Draw:
    """A synthetic noisy picture."""

    noisy: Bytes
    """(H, W, 3) uint8."""
    unrounded: NDArray[np.float32] | None = None
    """The same, (H, W, 3) float32 counts before rounding and clipping, for `kld_official`."""


Synthesizer = Callable[[Bytes, Condition, int], Draw]
"""Maps a clean picture (H, W, 3) uint8, a condition and a picture's random key to a noisy picture."""


@dataclass(frozen=True)
class Protocol:
    """Settings of a measurement: patches of `patch` pixels every `step`, random fields from `seed`."""

    patch: int = PATCH
    step: int = PATCH
    seed: int = 0
    border: bool = False
    """Whether further patches end at the borders, where the steps leave a margin."""
    akld_draws: int = 1
    """Draws a picture for `akld_draws`, the first of which is that of all else."""
    name: str = "patches"
    """"patches", or "table1" for the columns and averages of the paper's Table I."""
    nll: bool = False
    """Whether to measure the likelihood of models that have a density."""


Likelihood = Callable[[Bytes, Bytes, Condition, int, Protocol], FloatArray]
"""Maps a clean and a noisy picture, condition and key to the bits per value of each patch of the protocol."""


@dataclass(frozen=True)
class Candidate:
    """A model under test."""

    name: str
    synthesize: Synthesizer
    check: Callable[[Condition], None]
    """Raises ConditionError for a condition that the model does not know."""
    note: str = ""
    """A remark for the reader, like the data it was fitted on."""
    likelihood: Likelihood | None = None
    """None for a model without a density."""


@dataclass(frozen=True)
class _Picture:
    """One picture of a pair, with its real noise."""

    name: str
    clean: Bytes
    noisy: Bytes
    real: NDArray[np.int16]
    variance: FloatArray


@dataclass(frozen=True)
class Subject:
    """A pair under measurement: one picture, or several blocks of one."""

    condition: Condition
    pictures: tuple[_Picture, ...]
    statistics: NoiseStatistics
    """Those of the real noise."""
    floor: FloatArray
    """The self floor of each area."""


def open_subject(pair: Paired, protocol: Protocol) -> Subject:
    """The pair with its real noise measured; PictureError where it cannot be read or does not hold a single patch."""
    clean, noisy = map(pictures_of, pair.load())
    height, width = clean[0].shape[:2]
    if min(height, width) < protocol.patch:
        hint = f"less than a patch of {protocol.patch}: --patch"
        raise PictureError(f"{pair.name} has only {width}x{height} pixels", hint)
    names = [pair.name] if len(clean) == 1 else [f"{pair.name}#{index}" for index in range(len(clean))]
    pictures = tuple(map(_picture, names, clean, noisy))
    statistics = NoiseStatistics()
    for picture in pictures:
        statistics.add(picture.clean, picture.real)
    floor = np.concatenate([self_floor(picture.real, size=protocol.patch) for picture in pictures])
    return Subject(pair.condition, pictures, statistics, floor)


def pictures_of(pictures: Bytes) -> list[Bytes]:
    """One picture (H, W, 3) or several (N, H, W, 3), one by one."""
    return [pictures] if pictures.ndim == 3 else list(pictures)


def _picture(name: str, clean: Bytes, noisy: Bytes) -> _Picture:
    noise = noise_of(noisy, clean)
    return _Picture(name, clean, noisy, noise, local_variance(noise))


def score_pair(candidate: Candidate, subject: Subject, protocol: Protocol) -> PictureScore:
    """The score of a candidate that knows the subject's condition; raises the errors of the model."""
    fake = NoiseStatistics()
    parts = [_divergences(candidate, subject.condition, picture, protocol, fake) for picture in subject.pictures]
    means = {name: _mean(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    return PictureScore(
        condition=subject.condition,
        patches=sum(len(part["kld"]) for part in parts),
        pictures=len(parts),
        self_floor=_mean(subject.floor),
        **means,
        real=subject.statistics,
        fake=fake,
    )


def _divergences(
    candidate: Candidate, condition: Condition, picture: _Picture, protocol: Protocol, statistics: NoiseStatistics
) -> dict[str, FloatArray]:
    """Each divergence, of every patch or draw; the noise of the first draw is entered into `statistics`."""
    key = partial(picture_key, protocol.seed, picture.name)
    draw = candidate.synthesize(picture.clean, condition, key(0))
    fake = noise_of(draw.noisy, picture.clean)
    statistics.add(picture.clean, fake)
    patches = partial(patch_kld, picture.real, size=protocol.patch, step=protocol.step, border=protocol.border)
    first = akld(picture.variance, local_variance(fake))
    others = [_redrawn(candidate, condition, picture, key(repeat)) for repeat in range(1, protocol.akld_draws)]
    bits = candidate.likelihood if protocol.nll else None
    return {
        "kld": patches(fake),
        "kld_official": _NOTHING if draw.unrounded is None else patches(draw.unrounded - picture.clean),
        "kld_fine": patches(fake, bins=FINE),
        "akld": np.array([first]),
        "akld_draws": np.array([first, *others]) if others else _NOTHING,
        "nll": _NOTHING if bits is None else bits(picture.clean, picture.noisy, condition, key(0), protocol),
    }


_NOTHING = np.empty(0)


def _redrawn(candidate: Candidate, condition: Condition, picture: _Picture, key: int) -> float:
    """The AKLD of another draw."""
    fake = noise_of(candidate.synthesize(picture.clean, condition, key).noisy, picture.clean)
    return akld(picture.variance, local_variance(fake))


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else UNKNOWN
