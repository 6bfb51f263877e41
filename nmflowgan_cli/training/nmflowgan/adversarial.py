"""The adversarial step of a training: the critic and, every few steps, the spatial network.

It shares no gradient with the likelihood step, but in joint training.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Metrics
from nmflowgan_cli.training.nmflowgan import losses
from nmflowgan_cli.training.nmflowgan.likelihood import scalars, set_rate
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe
from nmflowgan_cli.training.nmflowgan.schedules import game_factor

if TYPE_CHECKING:
    from nmflowgan_cli.training.nmflowgan.learner import NMFlowGANLearner

LARGEST_ADVERSARIAL = 0.2
"""Norm of the adversarial gradient that reaches the flow, as a share of the largest gradient that it takes."""


class Views(NamedTuple):
    """Real and made noise, and the critic that tells them apart, given the clean picture."""

    real: Tensor
    fake: Tensor
    judge: Callable[[Tensor], Tensor]
    """Takes noise for the whole batch, or several of them one after the other."""


def spatial_precision(recipe: NMFlowGANRecipe, device: torch.device) -> torch.autocast:
    """The context in which the spatial network works, and the critic but for its penalty; the flow is float32.

    bfloat16 takes 1.8 times less time for the U-Net of `paper`, forward and backward, on a CPU that has it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


class AdversarialStep:
    """A step of the critic and, every few of them, of the spatial network.

    Where the recipe says so, the spatial network also matches the second moments of real patches (a running mean
    of them), which fixes correlation and variance long before the critic would.
    """

    def __init__(self, learner: "NMFlowGANLearner", recipe: NMFlowGANRecipe) -> None:
        self.learner, self.recipe = learner, recipe
        self.loss = losses.ADVERSARIAL[recipe.adversarial_loss]
        adam = partial(torch.optim.Adam, betas=recipe.betas, fused=True)
        # In a group, since a model without gan has no such parameters.
        own = [{"params": list(learner.spatial.parameters())}]
        self.optimiser = adam(own, lr=recipe.spatial_rate)
        self.critic_optimiser = adam(learner.critic.parameters(), lr=recipe.critic_rate)
        self.average: AveragedModel | None = None
        self.real_moments: Tensor | None = None

    def __call__(self, batch: Batch, step: int) -> Metrics:
        played = step - self.recipe.spatial_from
        share = played / (self.recipe.steps - self.recipe.spatial_from)
        factor = game_factor(self.recipe.schedule, share)
        set_rate(self.optimiser, self.recipe.spatial_rate * factor)
        set_rate(self.critic_optimiser, self.recipe.critic_rate * factor)
        generates = (played + 1) % self.recipe.generator_every == 0
        # The forward pass that feeds the critic is also the generator's; only there does it keep what gradients need.
        with torch.set_grad_enabled(generates):
            views = self.learner.views(batch)
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
            self.average = self._fresh_average()
            self.average.load_state_dict(state["average"])

    def _critic_step(self, views: Views, played: int) -> Metrics:
        fake = views.fake.detach()
        real_scores, fake_scores = self._judged(views, torch.cat([views.real, fake])).chunk(2)
        total = loss = self.loss.critic(real_scores, fake_scores)
        if played % self.recipe.penalty_every == 0:
            share = distributed.rand_like(fake.new_empty(len(fake)))
            penalty = self.loss.penalty(views.judge, views.real, fake, share)
            total = loss + self.recipe.penalty * self.recipe.penalty_every * penalty
        self.critic_optimiser.zero_grad(set_to_none=True)
        total.backward()
        distributed.average_gradients(self.learner.critic.parameters())
        self.critic_optimiser.step()
        return scalars(critic=loss)

    def _judged(self, views: Views, noise: Tensor) -> Tensor:
        """Scores in the precision of `noise`, calculated in that of the recipe."""
        with spatial_precision(self.recipe, noise.device):
            return views.judge(noise).to(noise.dtype)

    def _generator_step(self, views: Views) -> Metrics:
        self.learner.critic.requires_grad_(False)  # noqa: FBT003 - torch's signature
        loss = self.loss.generator(self._judged(views, views.fake))
        metrics = scalars(generator=loss)
        if self.recipe.covariance_weight:
            mismatch = losses.moments_mismatch(self._moments_of(views.real), _moments_of_all(views.fake))
            metrics |= scalars(moments=mismatch)
            loss = loss + self.recipe.covariance_weight * mismatch
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.learner.spatial.parameters())
        self.optimiser.step()
        self._scale_share_of_flow()
        self.learner.critic.requires_grad_(True)  # noqa: FBT003
        return metrics

    def _scale_share_of_flow(self) -> None:
        """In joint training the flow has got a gradient, which its next step adds to that of the likelihood.

        Bounded, for the likelihood has to stay in command: before the critic has learnt anything, and once it tells
        real from made without fail, its gradient would be the larger by far, and the flow run away from the data.
        """
        for parameter in self.learner.flow.parameters():
            if parameter.grad is not None:
                parameter.grad *= self.recipe.adversarial_share
        nn.utils.clip_grad_norm_(self.learner.flow.parameters(), LARGEST_ADVERSARIAL * self.recipe.clip)

    def _moments_of(self, real: Tensor, *, memory: float = 0.99) -> Tensor:
        now = _moments_of_all(real)
        before = now if self.real_moments is None else self.real_moments
        self.real_moments = memory * before + (1 - memory) * now
        return self.real_moments

    def _update_average(self, share: float) -> None:
        """The average starts half way: one that starts with the first step lags behind for good."""
        if not self.recipe.average_decay or share < 0.5:
            return
        self.average = self.average or self._fresh_average()
        self.average.update_parameters(self.learner.spatial)

    def _fresh_average(self) -> AveragedModel:
        update = get_ema_multi_avg_fn(self.recipe.average_decay)
        return AveragedModel(self.learner.spatial, multi_avg_fn=update)


def _moments_of_all(latents: Tensor) -> Tensor:
    return distributed.mean_over_parts(losses.patch_moments(latents))
