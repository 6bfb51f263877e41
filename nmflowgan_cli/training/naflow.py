"""Training of NAFlow: Adam on the likelihood of dequantised counts, given the clean picture with a little noise."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import encode, to_counts
from nmflowgan_cli.models.naflow import CELL, NAFlow, blurred, dequantised
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Learner, Metrics, Stateful
from nmflowgan_cli.training.nmflowgan.likelihood import scalars, set_rate
from nmflowgan_cli.training.nmflowgan.schedules import flow_factor
from nmflowgan_cli.training.recipe import Recipe

HALVED_AT = (0.5, 0.75, 0.9, 0.95)
"""Shares of the paper's steps after which its rate is halved."""


@dataclass(frozen=True, kw_only=True)
class NAFlowRecipe(Recipe):
    """A training of the flow and of the Gaussians of its latents."""

    RATES: ClassVar[tuple[str, ...]] = ("rate",)

    rate: float
    schedule: Literal["smooth", "paper"]
    features: int
    hidden: int
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = float("inf")
    """Largest norm of the gradient."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch % CELL:
            raise UsageError(f"patch {self.patch} does not fit the flow", f"a multiple of {CELL}")

    def model_options(self) -> dict[str, int]:
        return {"features": self.features, "hidden": self.hidden}

    def factor(self, step: int) -> float:
        """The factor on the rate at a step."""
        share = step / self.steps
        if self.schedule == "paper":
            return 0.5 ** sum(share >= at for at in HALVED_AT)
        return flow_factor("smooth", share)


def lite(*, steps: int = 6000, batch: int = 8) -> NAFlowRecipe:
    """Narrow networks and small patches, for CPUs."""
    return NAFlowRecipe(
        steps=steps, batch=batch, patch=64, rate=1e-3, schedule="smooth", features=32, hidden=16, clip=100.0
    )


def paper(*, steps: int = 100_000, batch: int = 8) -> NAFlowRecipe:
    """The paper's recipe."""
    return NAFlowRecipe(steps=steps, batch=batch, patch=160, rate=1e-4, schedule="paper", features=128, hidden=64)


class NAFlowLearner(Learner):
    """A step on the mean negative log-likelihood; the first batch decides the ActNorms of a fresh model."""

    def __init__(self, recipe: NAFlowRecipe, model: NAFlow) -> None:
        self.recipe, self.model, self.naflow = recipe, model, model
        self.optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate, betas=recipe.betas, fused=True)

    @property
    def parts(self) -> dict[str, Stateful]:
        return {"model": self.model, "optimiser": self.optimiser}

    def step(self, batch: Batch, step: int) -> Metrics:
        set_rate(self.optimiser, self.recipe.rate * self.recipe.factor(step))
        code = encode(self.naflow.vocabulary, batch.conditions).to(batch.clean.device)
        noisy, clean = to_counts(batch.noisy), blurred(batch.clean, distributed.randn_like(batch.clean))
        uniform = distributed.rand_like(noisy)
        if step == 0 and self.naflow.fresh:
            self._initialise(dequantised(noisy, uniform), clean)
        loss = self.naflow.flow_nll(noisy, clean, code, uniform).mean() / noisy[0].numel()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.model.parameters())
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        return scalars(nll=loss, gradient=norm)

    @torch.no_grad()
    def _initialise(self, noisy: torch.Tensor, clean: torch.Tensor) -> None:
        with self.naflow.initialising():
            self.naflow.encode(distributed.gathered(noisy), distributed.gathered(clean))
