"""Training of C2N without pairs: a game against a critic (WGAN-GP), and a penalty on the mean of the noise.

The authors published neither their trainer nor its steps, rates, patches and batches: those here are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import WHITE, Fields, to_counts
from nmflowgan_cli.models.c2n import C2N, ReflectedConvolution, ResidualBlock, convolution_of
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Learner, Metrics, Stateful
from nmflowgan_cli.training.nmflowgan.likelihood import scalars
from nmflowgan_cli.training.nmflowgan.losses import (
    gradient_penalty,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from nmflowgan_cli.training.recipe import Recipe

CRITIC_BLOCKS = 6


@dataclass(frozen=True, kw_only=True)
class C2NRecipe(Recipe):
    """A training of generator and critic, both by Adam.

    Half of a batch gives clean patches, and the other half noisy ones.
    """

    RATES: ClassVar[tuple[str, ...]] = ("rate", "critic_rate")

    rate: float
    """Of the generator."""
    critic_rate: float
    width: int
    """Of the generator."""
    critic_width: int
    generator_every: int
    """Critic steps for each step of the generator."""
    penalty: float = 10.0
    zero_mean: float = 0.01
    """Weight of the mean of the noise of a batch, in [0, 1] units, summed over the channels."""
    betas: tuple[float, float] = (0.5, 0.9)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % 2:
            raise UsageError(f"batch {self.batch} has no halves", "an even one: half clean patches, half noisy ones")

    def model_options(self) -> dict[str, Any]:
        return {"width": self.width}

    def going_on(self, options: Mapping[str, Any]) -> Self:
        """See `Recipe.going_on`."""
        return replace(self, width=options["width"])


def lite(*, steps: int = 12_000, batch: int = 16) -> C2NRecipe:
    """A sixteenth of the parameters, for CPUs."""
    return C2NRecipe(
        steps=steps, batch=batch, patch=40, rate=1e-4, critic_rate=1e-3, width=16, critic_width=16, generator_every=2
    )


def paper(*, steps: int = 300_000, batch: int = 32) -> C2NRecipe:
    """The published networks and losses."""
    return C2NRecipe(
        steps=steps, batch=batch, patch=96, rate=1e-4, critic_rate=1e-4, width=64, critic_width=64, generator_every=5
    )


class Critic(nn.Module):
    """Scores of pictures, one a pixel; residual blocks without stride and norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        convolution = convolution_of(3)
        self.head = nn.Sequential(convolution(3, width), nn.PReLU())
        self.body = nn.Sequential(*(ResidualBlock(width, convolution) for _ in range(CRITIC_BLOCKS)))
        self.tail = ReflectedConvolution(width, 1, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """(N, 1, H, W); `picture`: (N, 3, H, W), blue, green, red in [0, 1]."""
        return self.tail(self.body(self.head(picture)))

    def mean(self, picture: Tensor) -> Tensor:
        """The mean score of each picture, (N,), whose gradient the penalty keeps at 1."""
        return self(picture).flatten(1).mean(1)


class C2NLearner(Learner):
    """A step of the critic on every batch and, every few of them, one of the generator.

    Processes that share a batch each halve their part of it: they follow one that trains alone but for which patches
    are clean and which are noisy.
    """

    def __init__(self, recipe: C2NRecipe, model: C2N) -> None:
        self.recipe, self.model, self.generator = recipe, model, model
        self.compiled = (model,)
        device = next(model.parameters()).device
        critic = Critic(recipe.critic_width)
        self.critic = critic.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser, self.critic_optimiser = (
            torch.optim.Adam(module.parameters(), lr=rate, betas=recipe.betas, fused=True)
            for module, rate in ((model, recipe.rate), (self.critic, recipe.critic_rate))
        )

    @property
    def parts(self) -> dict[str, Stateful]:
        return {
            "model": self.model,
            "critic": self.critic,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def step(self, batch: Batch, step: int) -> Metrics:
        clean, real = batch.clean[::2].flip(1) / WHITE, to_counts(batch.noisy[1::2]).flip(1) / WHITE
        generates = (step + 1) % self.recipe.generator_every == 0
        with torch.set_grad_enabled(generates):
            noise = self.generator.noise(clean, self.fields(clean))
        metrics = self._critic_step(real, (clean + noise).detach())
        return metrics | self._generator_step(clean, noise) if generates else metrics

    def fields(self, clean: Tensor) -> Fields:
        """Random numbers for a batch (N, 3, P, P)."""
        wide = clean[:, :1].expand(-1, self.generator.draws.latent, -1, -1)
        vector = clean.new_empty(len(clean), self.generator.draws.whole)
        return Fields(distributed.randn_like(wide), distributed.rand_like(wide), distributed.randn_like(vector))

    def _critic_step(self, real: Tensor, fake: Tensor) -> Metrics:
        share = distributed.rand_like(fake.new_empty(len(fake)))
        loss = wasserstein_critic_loss(self.critic.mean(real), self.critic.mean(fake))
        penalty = gradient_penalty(self.critic.mean, real, fake, share)
        self._descend(self.critic_optimiser, self.critic, loss + self.recipe.penalty * penalty)
        return scalars(critic=loss, penalty=penalty)

    def _generator_step(self, clean: Tensor, noise: Tensor) -> Metrics:
        self.critic.requires_grad_(False)  # noqa: FBT003 - torch's signature
        loss = wasserstein_generator_loss(self.critic.mean(clean + noise))
        drift = distributed.mean_over_parts(noise.mean((0, 2, 3))).abs().sum()
        self._descend(self.optimiser, self.model, loss + self.recipe.zero_mean * drift)
        self.critic.requires_grad_(True)  # noqa: FBT003
        return scalars(generator=loss, drift=drift)

    def _descend(self, optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(module.parameters())
        optimiser.step()
