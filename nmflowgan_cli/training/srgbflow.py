"""Training of sRGBFlow: Adam on the likelihood of dequantised counts."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.models.base import encode, to_counts
from nmflowgan_cli.models.flow import likelihood
from nmflowgan_cli.models.srgbflow import SRGBFlow
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Learner, Metrics, Stateful
from nmflowgan_cli.training.nmflowgan.likelihood import scalars, set_rate
from nmflowgan_cli.training.nmflowgan.recipe import Schedule
from nmflowgan_cli.training.nmflowgan.schedules import flow_factor
from nmflowgan_cli.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class SRGBFlowRecipe(Recipe):
    """A training of the flow."""

    RATES: ClassVar[tuple[str, ...]] = ("rate",)

    rate: float
    schedule: Schedule | None
    """How the rate falls; None where it stays."""


def lite(*, steps: int = 8000, batch: int = 32) -> SRGBFlowRecipe:
    """The published network in few steps, for CPUs."""
    return SRGBFlowRecipe(steps=steps, batch=batch, patch=32, rate=2e-3, schedule="smooth")


def paper(*, steps: int = 141_120, batch: int = 138) -> SRGBFlowRecipe:
    """The paper's recipe for 60 epochs, as the later one of the published checkpoints had; the paper allows 2000.

    An epoch is 2 898 patches of each of 112 pictures. Float32, where the authors have mixed precision.
    """
    return SRGBFlowRecipe(steps=steps, batch=batch, patch=32, rate=1e-4, schedule=None)


class SRGBFlowLearner(Learner):
    """A step on the mean negative log-likelihood, with the batch norms on the statistics of the batch."""

    def __init__(self, recipe: SRGBFlowRecipe, model: SRGBFlow) -> None:
        self.recipe, self.model, self.srgbflow = recipe, model, model
        self.compiled = (model.flow,)
        self.optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate, fused=True)

    @property
    def parts(self) -> dict[str, Stateful]:
        return {"model": self.model, "optimiser": self.optimiser}

    def step(self, batch: Batch, step: int) -> Metrics:
        if self.recipe.schedule:
            set_rate(self.optimiser, self.recipe.rate * flow_factor(self.recipe.schedule, step / self.recipe.steps))
        self.model.train()
        code = encode(self.srgbflow.vocabulary, batch.conditions).to(batch.clean.device)
        clean, noisy = batch.clean.flip(1), to_counts(batch.noisy).flip(1)
        given = self.srgbflow.given(clean, code, distributed.rand_like(clean))
        nll, latents = likelihood(self.srgbflow.flow, noisy, given, distributed.rand_like(noisy))
        loss = nll.mean() / clean[0].numel()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.model.parameters())
        self.optimiser.step()
        return scalars(nll=loss, std_z=distributed.deviation(latents))
