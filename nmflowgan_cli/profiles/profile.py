"""Noise profile: how the noise of one camera behaves, as physics states it, and where that is known from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.models.rendered import Rendering

Way = Literal["pictures", "pairs", "burst", "table", "raw", "hand"]
"""Ways to a profile: noisy pictures alone, clean and noisy pairs, a burst of one still scene, the table of cameras, the
tags of a raw file, numbers by hand."""


@dataclass(frozen=True)
class Reference:
    """A file that a profile was estimated from."""

    name: str
    """File name without its folder."""
    sha256: str
    white_balance: tuple[float, float] | None = None
    """Gains of red and blue relative to green, as estimated for this picture."""


@dataclass(frozen=True, kw_only=True)
class NoiseProfile:
    """The noise of one camera: parameters of the simulator, how well they are known, and their origin."""

    name: str
    """The camera, as manifests and headers call it."""
    camera: CameraProfile
    """The simulator's parameters. Where no ISO is known, `noise` has one entry, at ISO 100."""
    iso_known: bool = True
    way: Way = "hand"
    references: tuple[Reference, ...] = ()
    uncertainty: Mapping[str, float] = field(default_factory=dict)
    """Standard errors by parameter: of the natural logarithm for shot, read and white balance, absolute otherwise."""
    levels: tuple[tuple[int, int], ...] = ()
    """For red, green and blue the lowest and highest level in counts that the references showed; empty for none."""
    sampled: bool = False
    """Whether pictures were sampled down without smoothing, so that the noise of neighbouring pixels is independent."""
    texture: float | None = None
    """The strongest texture that the references showed: standard deviation of a clean block, in counts."""
    mosaic: bool = True
    """False for single-channel sources, whose noise has no colours and no demosaicing, see profiles/mono.py."""
    blur: float = 0.0
    """Without a mosaic: standard deviation of the Gaussian that correlates the noise, pixels."""
    renderings: Mapping[int, Rendering] = field(default_factory=dict)
    """Statistics of noise that the camera's own denoising left, for each ISO of `camera`; empty for plain rendering,
    whose noise is made by physics."""
    remarks: tuple[str, ...] = ()
    """Warnings of the estimator, each with its number."""
