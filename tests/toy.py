"""A noise model in one file, with its recipe and its learner: what a further architecture has to bring along."""

import math

import torch
from torch import nn

from nmflowgan_cli.models.base import Geometry, NoiseModel, encode
from nmflowgan_cli.models.extension import camera_mixtures
from nmflowgan_cli.models.registry import NOISE, Architecture
from nmflowgan_cli.training.learner import Learner
from nmflowgan_cli.training.recipe import Recipe


class ToyNoise(nn.Module, NoiseModel):
    """White noise whose standard deviation, in counts, is one learned number a camera."""

    geometry = Geometry(multiple=1, context=0, border=0)
    has_density = True

    def __init__(self, vocabulary, *, start=1.0):
        super().__init__()
        self.vocabulary = vocabulary
        self.log_std = nn.Parameter(torch.full((len(vocabulary.cameras),), math.log(start)))

    def std(self, code):
        return (code.camera @ self.log_std).exp()[:, None, None, None]

    def sample(self, clean, code, fields, statistics=None):
        return clean + self.std(code) * fields.latent

    def nll(self, clean, noisy, code, fields):
        normal = torch.distributions.Normal(clean, self.std(code).expand_as(clean))
        return -normal.log_prob(noisy + fields.latent - 0.5).flatten(1).sum(1)

    def extended(self, vocabulary):
        return {"log_std": camera_mixtures(self.vocabulary, vocabulary) @ self.log_std.detach()}


class ToyLearner(Learner):
    """Adam on the likelihood."""

    def __init__(self, recipe, model):
        self.recipe, self.model = recipe, model
        self.optimiser = torch.optim.Adam(model.parameters(), lr=0.2)

    @property
    def parts(self):
        return {"model": self.model, "optimiser": self.optimiser}

    def step(self, batch, step):
        code = encode(self.model.vocabulary, batch.conditions).to(batch.clean.device)
        noise = batch.noisy - batch.clean
        loss = -torch.distributions.Normal(0, self.model.std(code)).log_prob(noise).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"nll": loss.item()}


def short(*, steps=60, batch=4):
    return Recipe(steps=steps, batch=batch, patch=32)


ROW = Architecture(
    model="toy:ToyNoise", title="white noise", recipes={"short": "toy:short"}, learner="toy:ToyLearner", options=NOISE
)
