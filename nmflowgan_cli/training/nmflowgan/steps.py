"""The two parts of a training step: likelihood for the flow, a game for the spatial network.

Each has its own optimisers and may run alone: they share no gradient, but in joint training.
"""

from collections.abc import Iterable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.nmflowgan import losses, schedules
from nmflowgan_cli.training.nmflowgan.learners import Trainee, Views, spatial_precision
from nmflowgan_cli.training.nmflowgan.recipe import Recipe

Metrics = dict[str, float]

LARGEST_ADVERSARIAL = 0.2
"""Norm of the adversarial gradient that reaches the flow, as a share of the largest gradient that it takes."""


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _scalars(**values: Tensor) -> Metrics:
    return {name: value.item() for name, value in values.items()}


class LikelihoodStep:
    """A step of the flow: Adam on the negative log-likelihood, its rate falling by the recipe's schedule."""

    def __init__(self, trainee: Trainee, recipe: Recipe) -> None:
        self.trainee, self.recipe = trainee, recipe
        self.parameters = list(trainee.flow.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, lr=recipe.flow_rate, fused=True)

    def __call__(self, batch: Batch, step: int) -> Metrics:
        share = step / self.recipe.flow_until
        _set_rate(self.optimiser, self.recipe.flow_rate * schedules.flow_factor(self.recipe.schedule, share))
        nll, deviation = self.trainee.likelihood(batch)
        # In joint training the generator's gradient is there already.
        nll.backward()
        distributed.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return _scalars(nll=nll, std_z=deviation, flow_gradient=norm)

    def state_dict(self) -> dict[str, Any]:
        return {"optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])


class AdversarialStep:
    """A step of the critic and, every few of them, of the spatial network.

    Where the recipe says so, the spatial network also matches the second moments of real patches (a running mean
    of them), which fixes correlation and variance long before the critic would.
    """

    def __init__(self, trainee: Trainee, recipe: Recipe) -> None:
        self.trainee, self.recipe = trainee, recipe
        adam = partial(torch.optim.Adam, betas=recipe.betas, fused=True)
        # In a group, since a model without gan has no such parameters.
        own = [{"params": list(trainee.spatial.parameters())}]
        self.optimiser = adam(own, lr=recipe.spatial_rate)
        self.critic_optimiser = adam(trainee.critic.parameters(), lr=recipe.critic_rate)
        self.average: nn.Module | None = None
        self.real_moments: Tensor | None = None

    def __call__(self, batch: Batch, step: int) -> Metrics:
        played = step - self.recipe.spatial_from
        share = played / (self.recipe.steps - self.recipe.spatial_from)
        factor = schedules.game_factor(self.recipe.schedule, share)
        _set_rate(self.optimiser, self.recipe.spatial_rate * factor)
        _set_rate(self.critic_optimiser, self.recipe.critic_rate * factor)
        generates = (played + 1) % self.recipe.generator_every == 0
        # The forward pass that feeds the critic is also the generator's; only there does it keep what gradients need.
        with torch.set_grad_enabled(generates):
            views = self.trainee.views(batch)
        metrics = self._critic_step(views, played)
        if generates:
            metrics |= self._generator_step(views)
            self._update_average(share)
        return metrics

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimiser": self.optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "average": self.average and self.average.state_dict(),
            "real_moments": self.real_moments,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.real_moments = state["real_moments"]
        if state["average"] is not None:
            self.average = deepcopy(self.trainee.spatial)
            self.average.load_state_dict(state["average"])

    def _critic_step(self, views: Views, played: int) -> Metrics:
        fake = views.fake.detach()
        logistic = self.recipe.adversarial_loss == "logistic"
        loss_of = losses.logistic_critic_loss if logistic else losses.wasserstein_critic_loss
        real_scores, fake_scores = self._judged(views, torch.cat([views.real, fake])).chunk(2)
        total = loss = loss_of(real_scores, fake_scores)
        if played % self.recipe.penalty_every == 0:
            share = distributed.rand_like(fake.new_empty(len(fake)))
            penalty = (
                losses.r1_penalty(views.judge, views.real)
                if logistic
                else losses.gradient_penalty(views.judge, views.real, fake, share)
            )
            total = loss + self.recipe.penalty * self.recipe.penalty_every * penalty
        self.critic_optimiser.zero_grad(set_to_none=True)
        total.backward()
        distributed.average_gradients(self.trainee.critic.parameters())
        self.critic_optimiser.step()
        return _scalars(critic=loss)

    def _judged(self, views: Views, noise: Tensor) -> Tensor:
        """Scores in the precision of `noise`, calculated in that of the recipe."""
        with spatial_precision(self.recipe, noise.device):
            return views.judge(noise).to(noise.dtype)

    def _generator_step(self, views: Views) -> Metrics:
        self.trainee.critic.requires_grad_(False)  # noqa: FBT003 - torch's signature
        logistic = self.recipe.adversarial_loss == "logistic"
        loss_of = losses.logistic_generator_loss if logistic else losses.wasserstein_generator_loss
        loss = loss_of(self._judged(views, views.fake))
        metrics = _scalars(generator=loss)
        if self.recipe.covariance_weight:
            mismatch = losses.moments_mismatch(self._moments_of(views.real), _moments_of_all(views.fake))
            metrics |= _scalars(moments=mismatch)
            loss = loss + self.recipe.covariance_weight * mismatch
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.trainee.spatial.parameters())
        self.optimiser.step()
        self._scale_share_of_flow()
        self.trainee.critic.requires_grad_(True)  # noqa: FBT003
        return metrics

    def _scale_share_of_flow(self) -> None:
        """In joint training the flow has got a gradient, which its next step adds to that of the likelihood.

        Bounded, for the likelihood has to stay in command: before the critic has learnt anything, and once it tells
        real from made without fail, its gradient would be the larger by far, and the flow run away from the data.
        """
        for parameter in self.trainee.flow.parameters():
            if parameter.grad is not None:
                parameter.grad *= self.recipe.adversarial_share
        nn.utils.clip_grad_norm_(self.trainee.flow.parameters(), LARGEST_ADVERSARIAL * self.recipe.clip)

    def _moments_of(self, real: Tensor, *, memory: float = 0.99) -> Tensor:
        now = _moments_of_all(real)
        before = now if self.real_moments is None else self.real_moments
        self.real_moments = memory * before + (1 - memory) * now
        return self.real_moments

    def _update_average(self, share: float) -> None:
        """The average starts half way: one that starts with the first step lags behind for good."""
        if not self.recipe.average_decay or share < 0.5:
            return
        if self.average is None:
            self.average = deepcopy(self.trainee.spatial)
        _lerp(self.average.parameters(), self.trainee.spatial.parameters(), 1 - self.recipe.average_decay)


def _moments_of_all(latents: Tensor) -> Tensor:
    return distributed.mean_over_parts(losses.patch_moments(latents))


@torch.no_grad()
def _lerp(averages: Iterable[Tensor], latest: Iterable[Tensor], weight: float) -> None:
    for average, parameter in zip(averages, latest, strict=True):
        average.lerp_(parameter, weight)
