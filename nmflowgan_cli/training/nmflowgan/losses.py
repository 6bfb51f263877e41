"""Adversarial losses with their gradient penalties, and the second moments of noise patches."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nmflowgan_cli.models import bayer

Critic = Callable[[Tensor], Tensor]


def logistic_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-ln of the probability that the critic gives to the truth; logits of any shape, positive for real.

    Goodfellow et al., "Generative Adversarial Networks" (2014), https://arxiv.org/abs/1406.2661.
    """
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def logistic_generator_loss(fake: Tensor) -> Tensor:
    """-ln of the probability that the critic takes the fakes for real (non-saturating)."""
    return functional.softplus(-fake).mean()


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(fake)] - E[D(real)]. Arjovsky et al. (2017), https://arxiv.org/abs/1701.07875."""
    return fake.mean() - real.mean()


def wasserstein_generator_loss(fake: Tensor) -> Tensor:
    """-E[D(fake)]."""
    return -fake.mean()


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """Half the squared gradient of each logit at real data, the mean over logits and samples.

    Logits of a patch critic share few pixels, so the squared gradient of their sum is about the sum of theirs.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?" (2018), https://arxiv.org/abs/1801.04406.
    """
    real = real.detach().requires_grad_()
    logits = critic(real)
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.square().sum() / logits.numel() / 2


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """(|gradient| - 1)^2 on the segments between real and fake, the mean over samples.

    `share`: (N,) uniform in [0, 1], where on its segment each sample lies (the official code draws it from a
    normal distribution, against the paper). Gulrajani et al. (2017), https://arxiv.org/abs/1704.00028.
    """
    share = share[:, None, None, None]
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class AdversarialLoss(NamedTuple):
    """The game of a critic and a generator."""

    critic: Callable[[Tensor, Tensor], Tensor]
    """Of the scores of real and of made noise."""
    generator: Callable[[Tensor], Tensor]
    """Of the scores of made noise."""
    penalty: Callable[[Critic, Tensor, Tensor, Tensor], Tensor]
    """Of the critic, at real noise, made noise, or shares (N,) of the way between them."""


ADVERSARIAL = {
    "logistic": AdversarialLoss(
        logistic_critic_loss, logistic_generator_loss, lambda critic, real, _fake, _share: r1_penalty(critic, real)
    ),
    "wgan-gp": AdversarialLoss(wasserstein_critic_loss, wasserstein_generator_loss, gradient_penalty),
}
"""By the names that recipes give them."""


def patch_moments(latents: Tensor, *, side: int = 6) -> Tensor:
    """Second moments of the values of a patch: (3 side^2, 3 side^2), rows by channel, row and column.

    Every channel with every channel, at every offset within a patch, for each Bayer site apart: patches start at red
    sites. `latents`: (N, 3, H, W) of phase 0.
    """
    values = functional.unfold(latents, side, stride=bayer.CELL).permute(1, 0, 2).flatten(1)
    return values @ values.T / values.shape[1]


def moments_mismatch(real: Tensor, fake: Tensor) -> Tensor:
    """Squared difference of two matrices of `patch_moments`, summed over offsets, for a typical value."""
    return (fake - real).square().sum() / len(real)
