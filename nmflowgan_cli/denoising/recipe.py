"""The recipe of a denoiser: the same for every noise model, or their denoisers say nothing about them."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from nmflowgan_cli.training.recipe import Recipe

SIXTHS = 6
"""The paper halves its rate every 5 of 30 epochs."""


@dataclass(frozen=True, kw_only=True)
class DenoiserRecipe(Recipe):
    """Adam on the mean squared error of patches."""

    RATES: ClassVar[tuple[str, ...]] = ("rate",)

    rate: float
    """The highest learning rate."""
    warm_up: float
    """Share of the steps in which the rate rises to it, linearly: Adam's first steps are as long as any, and without
    it 200 steps on real pairs ended 1.3 dB lower."""
    schedule: Literal["smooth", "halving"]
    """smooth: to zero along a cosine; halving: half as much after each sixth of the steps."""
    settling: int = 20
    """Batches after the last step, whose mean statistics the batch norms keep; see dncnn.py."""

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, from 0 on."""
        share = step / self.steps
        rising = min(1.0, (step + 1) / max(self.warm_up * self.steps, 1))
        if self.schedule == "halving":
            return self.rate * rising * 0.5 ** int(SIXTHS * share)
        return self.rate * rising * 0.5 * (1 + math.cos(math.pi * share))


def lite(*, steps: int = 2000, batch: int = 8) -> DenoiserRecipe:
    """For two cores of a CPU; a DnCNN sees 37 pixels."""
    return DenoiserRecipe(steps=steps, batch=batch, patch=40, rate=1e-3, warm_up=0.1, schedule="smooth")


def unet(*, steps: int = 4000, batch: int = 16) -> DenoiserRecipe:
    """For two cores of a CPU; patches of 128 pixels, half as many, ended 1.7 dB lower after three minutes."""
    return DenoiserRecipe(steps=steps, batch=batch, patch=64, rate=1e-3, warm_up=0.05, schedule="smooth", settling=0)


def paper(*, steps: int = 30 * 11_488, batch: int = 128) -> DenoiserRecipe:
    """As in the paper: 30 epochs of 1,470,386 patches (section IV of https://arxiv.org/abs/2312.10112)."""
    return DenoiserRecipe(steps=steps, batch=batch, patch=96, rate=1e-4, warm_up=0.0, schedule="halving")
