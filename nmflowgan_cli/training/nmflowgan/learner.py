"""The learner of NM-FlowGAN: a flow that learns by likelihood, and a spatial network that plays against a critic."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.training.learner import Learner, Metrics, Stateful
from nmflowgan_cli.training.nmflowgan.adversarial import AdversarialStep, Views
from nmflowgan_cli.training.nmflowgan.likelihood import LikelihoodStep
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe


class NMFlowGANLearner(Learner):
    """What `lite` and `paper` have in common: the order of the steps, and the averaged spatial network."""

    def __init__(
        self, recipe: NMFlowGANRecipe, model: nn.Module, *, flow: nn.Module, spatial: nn.Module, critic: nn.Module
    ) -> None:
        """`flow` and `spatial`: the parts of `model` that learn by likelihood and against the `critic`."""
        self.recipe, self.model, self.flow, self.spatial = recipe, model, flow, spatial
        device = next(model.parameters()).device
        self.critic = critic.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        # Not the critic: its penalty takes gradients of gradients, which compiled networks do not give.
        self.compiled = (flow, spatial)
        self.judged_from = recipe.spatial_from if recipe.spatial_from < recipe.steps else 0
        self.likelihood_step, self.adversarial_step = LikelihoodStep(self, recipe), AdversarialStep(self, recipe)

    @abstractmethod
    def complete(self, batch: Batch) -> Batch:
        """The batch with what its real patches do not say of themselves; once, before `likelihood` and `views`."""

    @abstractmethod
    def likelihood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-ln p in nats a value, and the standard deviation of the latents (1 where the flow is right)."""

    @abstractmethod
    def views(self, batch: Batch) -> Views:
        """Noise for the critic; the fake carries the gradient of the spatial network, and of the flow if joint."""

    @property
    def parts(self) -> dict[str, Stateful]:
        return {
            "model": self.model,
            "critic": self.critic,
            "flow": self.likelihood_step,
            "spatial": self.adversarial_step,
        }

    def step(self, batch: Batch, step: int) -> Metrics:
        batch, metrics = self.complete(batch), Metrics()
        self.flow.train(mode=step < self.recipe.flow_until)
        # The game first: in joint training it leaves a gradient to the step of the flow.
        if step >= self.recipe.spatial_from:
            metrics |= self.adversarial_step(batch, step)
        if step < self.recipe.flow_until:
            metrics |= self.likelihood_step(batch, step)
        return metrics

    @contextmanager
    def exported(self) -> Iterator[nn.Module]:
        """The model in evaluation mode, with the averaged spatial network where there is one."""
        average = self.adversarial_step.average
        own = deepcopy(self.spatial.state_dict()) if average is not None else None
        if average is not None:
            self.spatial.load_state_dict(average.module.state_dict())
        try:
            with super().exported() as model:
                yield model
        finally:
            if own is not None:
                self.spatial.load_state_dict(own)


def repeated(context: Tensor, noise: Tensor) -> Tensor:
    """What belongs to a batch, as often as `noise` holds one."""
    return torch.cat([context] * (len(noise) // len(context)))
