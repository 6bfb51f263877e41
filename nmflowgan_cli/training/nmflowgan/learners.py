"""What the training steps ask of an architecture: its likelihood, and what its critic compares."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.flow import LEVELS, Code, Given, dequantise, likelihood, quantise
from nmflowgan_cli.models.nmflowgan.critic import PaperCritic, PatchCritic
from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN, context_channels
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN
from nmflowgan_cli.models.nmflowgan.spatial import FOLDED
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.nmflowgan import dequantisation
from nmflowgan_cli.training.nmflowgan.recipe import Recipe


class Views(NamedTuple):
    """Real and made noise, and the critic that tells them apart, given the clean picture."""

    real: Tensor
    fake: Tensor
    judge: Callable[[Tensor], Tensor]
    """Takes noise for the whole batch, or several of them one after the other."""


class Trainee(Protocol):
    """An architecture in training."""

    model: nn.Module
    flow: nn.Module
    """The part that learns by likelihood."""
    spatial: nn.Module
    """The part that plays against the critic."""
    critic: nn.Module

    def complete(self, batch: Batch) -> Batch:
        """The batch with what its real patches do not say of themselves; once, before `likelihood` and `views`."""
        ...

    def likelihood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-ln p in nats a value, and the standard deviation of the latents (1 where the flow is right)."""
        ...

    def views(self, batch: Batch) -> Views:
        """Noise for the critic; the fake carries the gradient of the spatial network, and of the flow if joint."""
        ...


def spatial_precision(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The context in which the spatial network works, and the critic but for its penalty; the flow is float32.

    bfloat16 takes 1.8 times less time for the U-Net of `paper`, forward and backward, on a CPU that has it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


def _repeated(context: Tensor, noise: Tensor) -> Tensor:
    """What belongs to a batch, as often as `noise` holds one."""
    return torch.cat([context] * (len(noise) // len(context)))


class LiteTrainee:
    """Likelihood of counts that were never rounded; the critic compares latents (whitened noise).

    Real counts were: `complete` puts points in their place, and finds the Bayer phase (see dequantisation.py).
    Joint training plays the same game, but what is made goes through the flow to noise and back.
    """

    def __init__(self, vocabulary: Vocabulary, options: Mapping[str, Any], recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = LiteNMFlowGAN(vocabulary, **options)
        self.flow, self.spatial = self.model.flow, self.model.spatial
        self.critic = PatchCritic(FOLDED + context_channels(self.model.rendering))

    def complete(self, batch: Batch) -> Batch:
        return dequantisation.complete(self.model, batch)

    def likelihood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        nll, latents = likelihood(self.flow, batch.noisy, self._given(batch), 0.5)
        return nll.mean() / batch.clean[0].numel(), distributed.deviation(latents)

    def views(self, batch: Batch) -> Views:
        clean, noisy = bayer.aligned(batch.clean, batch.phase), bayer.aligned(batch.noisy, batch.phase)
        given = self._given(batch._replace(clean=clean, noisy=noisy, phase=torch.zeros_like(batch.phase)))
        with torch.no_grad():
            _, real = likelihood(self.flow, noisy, given, 0.5)
        with spatial_precision(self.recipe, noisy.device):
            fake = self.model.correlate(distributed.randn_like(real), given)
        if self.recipe.strategy == "joint":
            fake = self._sampled(fake, given)
        context = self.model.context(given)
        return Views(
            real, fake, lambda noise: self.critic(torch.cat([bayer.fold(noise), _repeated(context, noise)], 1))
        )

    def _sampled(self, latents: Tensor, given: Given) -> Tensor:
        """The same latents, by way of the noise that the flow makes of them: their gradient reaches the flow.

        The flow that whitens that noise again is held still, so it cannot answer the critic but by its samples.
        """
        held = {name: parameter.detach() for name, parameter in self.flow.named_parameters()}
        noisy = self.flow.inverse(latents, given)
        return torch.func.functional_call(self.flow, held, (noisy, given))[0]

    def _given(self, batch: Batch) -> Given:
        code = encode(self.model.vocabulary, batch.conditions).to(batch.clean.device)
        return self.model.given(batch.clean, code, batch.phase)


class PaperTrainee:
    """Likelihood of integer counts; the critic compares noise in counts, as in the paper (section III-D).

    Joint training lets the gradient pass the rounding to counts as if it were not there (straight-through).
    """

    def __init__(self, vocabulary: Vocabulary, options: Mapping[str, Any], recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = PaperNMFlowGAN(vocabulary, **options)
        self.flow, self.spatial = self.model.flow, self.model.unet
        self.critic = PaperCritic()

    def complete(self, batch: Batch) -> Batch:
        return batch

    def likelihood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        code, fields, noisy = self._inputs(batch)
        given = self.model.given(batch.clean, code, fields)
        nll, latents = likelihood(self.flow, noisy, given, distributed.rand_like(noisy))
        return nll.mean() / noisy[0].numel(), distributed.deviation(latents)

    def views(self, batch: Batch) -> Views:
        code, fields, noisy = self._inputs(batch)
        pixelwise = self._pixelwise(batch.clean, code, fields)
        with spatial_precision(self.recipe, noisy.device):
            fake = LEVELS * self.model.unet(pixelwise / LEVELS)
        return Views(noisy - batch.clean, fake, lambda noise: self.critic(noise, _repeated(batch.clean, noise)))

    def _pixelwise(self, clean: Tensor, code: Code, fields: Fields) -> Tensor:
        """The flow's noise in integer counts; if joint, with the gradient of what was rounded."""
        if self.recipe.strategy != "joint":
            with torch.no_grad():
                return self.model.pixelwise_noise(clean, code, fields)
        mean, deviation = self.model.moments(clean, code, fields)
        noise = mean + deviation * fields.latent
        counts = quantise(dequantise(clean, fields.uniform) + noise) - clean
        return (counts - LEVELS * noise).detach() + LEVELS * noise

    def _inputs(self, batch: Batch) -> tuple[Code, Fields, Tensor]:
        code = encode(self.model.vocabulary, batch.conditions).to(batch.clean.device)
        fields = Fields(distributed.randn_like(batch.clean), distributed.rand_like(batch.clean))
        return code, fields, batch.noisy.round().clamp(0, 255)


def model_options(recipe: Recipe) -> dict[str, Any]:
    """Keyword arguments of the architecture's class, as a weights file tells them: all, for defaults may change."""
    parameters = inspect.signature({"lite": LiteNMFlowGAN, "paper": PaperNMFlowGAN}[recipe.architecture]).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items() if name != "vocabulary"}
    chosen = defaults | {"without": recipe.ablate} | ({"rendered": recipe.rendered} if "rendered" in defaults else {})
    return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}


def trainee(recipe: Recipe, vocabulary: Vocabulary, options: Mapping[str, Any] | None = None) -> Trainee:
    """A fresh model of the recipe's architecture, and its critic; `options` of the model by default the recipe's."""
    make = {"lite": LiteTrainee, "paper": PaperTrainee}[recipe.architecture]
    return make(vocabulary, model_options(recipe) if options is None else options, recipe)
