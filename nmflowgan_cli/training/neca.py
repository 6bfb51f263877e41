"""Training of NeCA: levels by regression to those of real noise, correlation against two critics.

Losses, weights and rates of `paper` are those of the authors' command line. Their denoiser is not trained here: with
the options of that command it gives no gradient to the model, and `train --model dncnn --noise` does the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import WHITE, encode
from nmflowgan_cli.models.neca import NeCA, Statistics
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Learner, Metrics, Stateful
from nmflowgan_cli.training.nmflowgan.likelihood import scalars
from nmflowgan_cli.training.nmflowgan.losses import (
    gradient_penalty,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from nmflowgan_cli.training.recipe import Recipe

SLOPE = 0.2
PATCH = 96
"""Pixels that the critic of the noise takes."""
APART = 3
"""The critic of the noise before correlation sees every third pixel, where real noise has lost its own."""
WINDOW = 7
GAIN_WEIGHT, LEVEL_WEIGHT, EVEN_WEIGHT, ADVERSARIAL_WEIGHT, PENALTY = 50.0, 10.0, 1.0, 0.1, 10.0


@dataclass(frozen=True, kw_only=True)
class NeCARecipe(Recipe):
    """A training of the three networks against two critics, all by Adam with one rate."""

    RATES: ClassVar[tuple[str, ...]] = ("rate",)

    rate: float
    width: int
    widths: tuple[int, ...]
    critic_width: int
    betas: tuple[float, float] = (0.5, 0.9)
    adversarial_every: int = 5
    """The critics teach the model in every n-th step; they learn in all of them."""
    init_std: float = 0.0
    """Of the normal random weights at the start; 0 for torch's own."""
    padded_levels: bool = False
    """Whether local levels of real noise count zeros beyond the border of a patch, as in the authors' code."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch != PATCH:
            raise UsageError(f"patch {self.patch} does not fit the critics", f"they take {PATCH} pixels")

    def model_options(self) -> dict[str, Any]:
        return {"width": self.width, "widths": list(self.widths)}

    def going_on(self, options: Mapping[str, Any]) -> Self:
        """The recipe for a model that exists: its weights stay; UsageError for NeCA-S, which has no levels."""
        if options.get("level"):
            raise UsageError("NeCA-S cannot be trained on", "go on from NeCA-W weights")
        return replace(self, init_std=0.0, width=options["width"], widths=tuple(options["widths"]))


def lite(*, steps: int = 4000, batch: int = 4) -> NeCARecipe:
    """A sixteenth of the parameters, for CPUs."""
    return NeCARecipe(
        steps=steps, batch=batch, patch=PATCH, rate=5e-4, width=32, widths=(16, 32, 64, 128), critic_width=16
    )


def paper(*, steps: int = 1_500_000, batch: int = 16) -> NeCARecipe:
    """The paper's recipe, for one camera: 5000 epochs of a patch from each of about 5000 crops."""
    return NeCARecipe(
        steps=steps,
        batch=batch,
        patch=PATCH,
        rate=1e-4,
        width=96,
        widths=(64, 128, 256, 512),
        critic_width=64,
        init_std=0.02,
        padded_levels=True,
    )


class Critic(nn.Module):
    """Scores of patches, without norms: a 7x7 convolution, then 4x4 ones that halve and 3x3 ones that widen."""

    def __init__(self, width: int, *, side: int, halvings: int) -> None:
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(3, width, 7, padding=3)), _convolution(width, width, 4, stride=2)]
        channels = [width * min(2**halving, 8) for halving in range(halvings)]
        for narrow, wide in pairwise(channels):
            layers += [_convolution(narrow, wide, 3, stride=1), _convolution(wide, wide, 4, stride=2)]
        self.features = nn.Sequential(*layers)
        inputs = channels[-1] * (side >> halvings) ** 2
        self.classifier = nn.Sequential(nn.Linear(inputs, 100), nn.LeakyReLU(SLOPE), nn.Linear(100, 1))

    def forward(self, noise: Tensor) -> Tensor:
        """(N, 1); `noise`: (N, 3, side, side) in [-1, 1]."""
        return self.classifier(self.features(noise).flatten(1))


def _convolution(in_channels: int, out_channels: int, kernel: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, stride, 1), nn.LeakyReLU(SLOPE))


class Made(NamedTuple):
    """What the model makes of a batch, all in [0, 1] units."""

    gain: Tensor
    """(N, 1, 1, 1), of the noisy patches."""
    levels: Tensor
    """(N, 3, P, P)."""
    white: Tensor
    """Noise before correlation, (N, 3, P, P)."""
    correlated: Tensor


class NeCALearner(Learner):
    """One step of both critics and one of the model, on every batch.

    The gains of the batch are stored in the model, by camera and ISO.
    """

    def __init__(self, recipe: NeCARecipe, model: NeCA) -> None:
        self.recipe, self.model, self.neca = recipe, model, model
        device = next(model.parameters()).device
        self.critics = nn.ModuleDict(
            {
                "noise": Critic(recipe.critic_width, side=PATCH, halvings=5),
                "apart": Critic(recipe.critic_width, side=PATCH // APART, halvings=3),
            }
        ).to(device)
        if recipe.init_std:
            _initialise(nn.ModuleList([model, self.critics]), recipe.init_std)
        self.optimiser, self.critic_optimiser = (
            torch.optim.Adam(module.parameters(), lr=recipe.rate, betas=recipe.betas, fused=True)
            for module in (model, self.critics)
        )

    @property
    def parts(self) -> dict[str, Stateful]:
        return {
            "model": self.model,
            "critics": self.critics,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def step(self, batch: Batch, step: int) -> Metrics:
        noise, phase = (batch.noisy - batch.clean) / WHITE, int(torch.randint(APART**2, ()))
        made = self.made(batch.clean, batch.noisy, distributed.randn_like(noise))
        metrics = self._critic_step(self.views(noise, noise, phase), self.views(made.correlated, made.white, phase))
        code = encode(self.neca.vocabulary, batch.conditions)
        self.neca.remember(made.gain.detach().flatten(), code)
        losses = self.level_losses(made, noise)
        if (step + 1) % self.recipe.adversarial_every == 0:
            losses |= self.adversarial_losses(made, phase)
        return metrics | self._model_step(losses)

    def made(self, clean: Tensor, noisy: Tensor, white: Tensor) -> Made:
        """Gain, levels and noise for counts and standard normal numbers, all (N, 3, P, P)."""
        gain = self.neca.gain_net(noisy / WHITE)
        levels = self.neca.levels(clean, Statistics(gain, ()))
        return Made(gain, levels, levels * white, self.neca.correlate(levels * white))

    def views(self, correlated: Tensor, white: Tensor, phase: int) -> dict[str, Tensor]:
        """What each critic sees of noise; `phase`: of the first of every third row and column, 3 row + column."""
        row, column = divmod(phase, APART)
        return {"noise": correlated, "apart": white[..., row::APART, column::APART]}

    def level_losses(self, made: Made, noise: Tensor) -> dict[str, Tensor]:
        """Weighted squared errors of the gain and the levels, for real noise (N, 3, P, P) in [0, 1] units."""
        overall = noise.flatten(1).std(1)[:, None, None, None]
        local = local_levels(noise, padded=self.recipe.padded_levels)
        return {
            "even": EVEN_WEIGHT * functional.mse_loss(made.levels, made.gain.expand_as(made.levels)),
            "gain": GAIN_WEIGHT * functional.mse_loss(made.gain, overall),
            "level": LEVEL_WEIGHT * functional.mse_loss(made.levels, local),
        }

    def adversarial_losses(self, made: Made, phase: int) -> dict[str, Tensor]:
        """Weighted losses of the model before each critic."""
        fake = self.views(made.correlated, made.white, phase)
        return {
            f"generator_{name}": ADVERSARIAL_WEIGHT * wasserstein_generator_loss(critic(fake[name]))
            for name, critic in self.critics.items()
        }

    def critic_losses(
        self, real: Mapping[str, Tensor], fake: Mapping[str, Tensor], shares: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Loss and weighted gradient penalty of each critic; `shares` (N,): see `gradient_penalty`."""
        losses: dict[str, Tensor] = {}
        for name, critic in self.critics.items():
            made = fake[name].detach()
            losses[f"critic_{name}"] = wasserstein_critic_loss(critic(real[name]), critic(made))
            losses[f"penalty_{name}"] = PENALTY * gradient_penalty(critic, real[name], made, shares[name])
        return losses

    def _critic_step(self, real: Mapping[str, Tensor], fake: Mapping[str, Tensor]) -> Metrics:
        shares = {name: distributed.rand_like(view.new_empty(len(view))) for name, view in real.items()}
        losses = self.critic_losses(real, fake, shares)
        self._descend(self.critic_optimiser, self.critics, losses)
        return scalars(**losses)

    def _model_step(self, losses: Mapping[str, Tensor]) -> Metrics:
        self.critics.requires_grad_(False)  # noqa: FBT003 - torch's signature
        self._descend(self.optimiser, self.model, losses)
        self.critics.requires_grad_(True)  # noqa: FBT003
        return scalars(**losses)

    def _descend(self, optimiser: torch.optim.Optimizer, module: nn.Module, losses: Mapping[str, Tensor]) -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        distributed.average_gradients(module.parameters())
        optimiser.step()


def local_levels(noise: Tensor, *, padded: bool) -> Tensor:
    """The standard deviation of `noise` (N, 3, H, W) in the 7x7 window around each value.

    `padded`: beyond the border it counts as zero, which makes levels there too low; else the window ends there.
    """
    mean, square = (
        functional.avg_pool2d(values, WINDOW, 1, WINDOW // 2, count_include_pad=padded)
        for values in (noise, noise.square())
    )
    # Rounding may leave less than nothing of a window without noise.
    return (square - mean.square()).clamp_min(0).sqrt()


def _initialise(networks: nn.Module, std: float) -> None:
    """Normal random weights and no biases."""
    for module in networks.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
