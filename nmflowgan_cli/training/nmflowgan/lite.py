"""The learner of `lite`: dequantised counts for the flow, latents for the critic."""

import torch
from torch import Tensor

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import encode
from nmflowgan_cli.models.flow import Chain, Given, likelihood
from nmflowgan_cli.models.nmflowgan.critic import PatchCritic
from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN, context_channels
from nmflowgan_cli.models.nmflowgan.spatial import FOLDED
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.nmflowgan import dequantisation
from nmflowgan_cli.training.nmflowgan.adversarial import Views, spatial_precision
from nmflowgan_cli.training.nmflowgan.learner import NMFlowGANLearner, repeated
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe


class LiteLearner(NMFlowGANLearner):
    """Likelihood of counts that were never rounded; the critic compares latents (whitened noise).

    Real counts were: `complete` puts points in their place, and finds the Bayer phase (see dequantisation.py).
    Joint training plays the same game, but what is made goes through the flow to noise and back.
    """

    model: LiteNMFlowGAN
    flow: Chain

    def __init__(self, recipe: NMFlowGANRecipe, model: LiteNMFlowGAN) -> None:
        critic = PatchCritic(FOLDED + context_channels(model.rendering))
        super().__init__(recipe, model, flow=model.flow, spatial=model.spatial, critic=critic)

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
        return Views(real, fake, lambda noise: self.critic(torch.cat([bayer.fold(noise), repeated(context, noise)], 1)))

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
