"""The numbers of a denoiser's training: one recipe for every noise model, or their denoisers tell nothing of them."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from nmflowgan_cli.errors import UsageError

SIXTHS = 6
"""The paper halves its rate every 5 of 30 epochs."""


@dataclass(frozen=True, kw_only=True)
class DenoiserRecipe:
    """Adam on the mean squared error of patches."""

    steps: int
    batch: int
    patch: int
    """Side of the square patches, pixels."""
    rate: float
    """The highest learning rate."""
    warm_up: float
    """Share of the steps in which the rate rises to it, linearly: Adam's first steps are as long as any, and without
    it 200 steps on real pairs ended 1.3 dB lower."""
    schedule: Literal["smooth", "halving"]
    """smooth: to zero along a cosine; halving: half as much after each sixth of the steps."""
    settling: int = 20
    """Batches after the last step, whose mean statistics the batch norms keep; see `models.dncnn`."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.steps < 1:
            raise UsageError(f"batch {self.batch} and steps {self.steps} must be at least 1")
        if not 0 < self.rate < math.inf:
            raise UsageError(f"a learning rate of {self.rate} teaches nothing", "a positive --rate, like 0.3")

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, from 0 on."""
        share = step / self.steps
        rising = min(1.0, (step + 1) / max(self.warm_up * self.steps, 1))
        if self.schedule == "halving":
            return self.rate * rising * 0.5 ** int(SIXTHS * share)
        return self.rate * rising * 0.5 * (1 + math.cos(math.pi * share))

    def settings(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return asdict(self)

    def to_toml(self) -> str:
        """The numbers as TOML, a line each."""
        return "\n".join(f"{name} = {value!r}" for name, value in asdict(self).items()).replace("'", '"')


LITE = DenoiserRecipe(steps=2000, batch=8, patch=40, rate=1e-3, warm_up=0.1, schedule="smooth")
"""For two cores of a CPU; a DnCNN sees 37 pixels."""
PAPER = DenoiserRecipe(steps=30 * 11_488, batch=128, patch=96, rate=1e-4, warm_up=0.0, schedule="halving")
"""As in the paper: 30 epochs of 1,470,386 patches (section IV of https://arxiv.org/abs/2312.10112)."""


def denoiser_preset(
    name: Literal["lite", "paper"], *, steps: int | None = None, batch: int | None = None, rate_factor: float = 1.0
) -> DenoiserRecipe:
    """The recipe of that name, with these changes; raises UsageError for numbers that teach nothing."""
    recipe = {"lite": LITE, "paper": PAPER}[name]
    changes = {key: value for key, value in (("steps", steps), ("batch", batch)) if value is not None}
    return replace(recipe, **changes, rate=recipe.rate * rate_factor)
