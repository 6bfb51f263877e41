"""The likelihood step of a training: Adam on the flow's negative log-likelihood."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Metrics
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe
from nmflowgan_cli.training.nmflowgan.schedules import flow_factor

if TYPE_CHECKING:
    from nmflowgan_cli.training.nmflowgan.learner import NMFlowGANLearner


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameters of an optimiser this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def scalars(**values: Tensor) -> Metrics:
    """Tensors of one value as metrics."""
    return {name: value.item() for name, value in values.items()}


class LikelihoodStep:
    """A step of the flow: Adam on the negative log-likelihood, its rate falling by the recipe's schedule."""

    def __init__(self, learner: "NMFlowGANLearner", recipe: NMFlowGANRecipe) -> None:
        self.learner, self.recipe = learner, recipe
        self.parameters = list(learner.flow.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, lr=recipe.flow_rate, fused=True)

    def __call__(self, batch: Batch, step: int) -> Metrics:
        share = step / self.recipe.flow_until
        set_rate(self.optimiser, self.recipe.flow_rate * flow_factor(self.recipe.schedule, share))
        nll, deviation = self.learner.likelihood(batch)
        # In joint training the generator's gradient is there already.
        nll.backward()
        distributed.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return scalars(nll=nll, std_z=deviation, flow_gradient=norm)

    def state_dict(self) -> dict[str, Any]:
        return {"optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
