"""The learner of `paper`: integer counts for the flow, noise in counts for the critic."""

import torch
from torch import Tensor

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.flow import LEVELS, Chain, Code, dequantise, likelihood, quantise
from nmflowgan_cli.models.nmflowgan.critic import PaperCritic
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.nmflowgan.adversarial import Views, spatial_precision
from nmflowgan_cli.training.nmflowgan.learner import NMFlowGANLearner, repeated
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe


class PaperLearner(NMFlowGANLearner):
    """Likelihood of integer counts; the critic compares noise in counts, as in the paper (section III-D).

    Joint training lets the gradient pass the rounding to counts as if it were not there (straight-through).
    """

    model: PaperNMFlowGAN
    flow: Chain

    def __init__(self, recipe: NMFlowGANRecipe, model: PaperNMFlowGAN) -> None:
        super().__init__(recipe, model, flow=model.flow, spatial=model.unet, critic=PaperCritic())

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
        return Views(noisy - batch.clean, fake, lambda noise: self.critic(noise, repeated(batch.clean, noise)))

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
