"""Self-test of an installation: noise of known weights on a known picture, against a recorded result."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import NmflowganError
from nmflowgan_cli.synthesis.api import CameraNoise, load

WEIGHTS = "sidd-lite"
CAMERA, ISO, SIDE = "IP", 800, 96
SHA256 = "204e84091f9cce956823369e27fd34f9131c832f4d4a3511830f3e1bd482376f"
"""Of the noisy picture, computed on the CPU."""
DEVIATIONS = (12.69, 5.94, 7.05)
"""Standard deviation of the noise in red, green and blue, in counts."""
TOLERANCE = 0.05
"""Relative: other numbers of a generator move a deviation of 96x96 pixels by about 2 %."""


class SelfTestError(NmflowganError):
    """The noise of the self-test is not what these weights make elsewhere."""


@dataclass(frozen=True)
class SelfTest:
    """The result of a self-test that passed."""

    sha256: str
    """Of the pixels of the noisy picture."""
    exact: bool
    """Whether every byte is the recorded one; other processors may round a last bit differently, CUDA draws others."""
    deviations: tuple[float, ...]
    """Standard deviation of the noise in red, green and blue, in counts."""


def ramp() -> NDArray[np.uint8]:
    """Clean picture of the self-test, (SIDE, SIDE, 3) uint8: ramps in three directions."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.stack((40 + rows, 40 + columns, 40 + (rows + columns) // 2), axis=-1).astype(np.uint8)


def self_test(device: str = "cpu", cache_dir: Path | None = None) -> SelfTest:
    """Synthesize noise on `ramp`, and compare it with the recorded result.

    Raises SelfTestError where the standard deviations are not those recorded, WeightsError for damaged weights,
    UsageError for a `device` that does not exist.
    """
    return compared(load(WEIGHTS, device=device, cache_dir=cache_dir))


def compared(noise: CameraNoise) -> SelfTest:
    """Noise of these weights on `ramp` against the recorded result; raises SelfTestError."""
    clean = ramp()
    noisy = noise.synthesize(clean, camera=CAMERA, iso=ISO, seed=0)
    found = hashlib.sha256(noisy.tobytes()).hexdigest()
    deviations = tuple(float(each) for each in (noisy.astype(float) - clean).std(axis=(0, 1)))
    if not np.allclose(deviations, DEVIATIONS, rtol=TOLERANCE, atol=0):
        listed, expected = (", ".join(f"{each:.2f}" for each in values) for values in (deviations, DEVIATIONS))
        raise SelfTestError(
            f"self-test: noise with standard deviations {listed}, expected {expected}",
            "reinstall torch and nmflowgan-cli; another --device shows whether the device is the cause",
        )
    return SelfTest(found, found == SHA256, deviations)
