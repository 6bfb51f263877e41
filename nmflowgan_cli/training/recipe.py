"""How a model is trained: one frozen recipe, and the presets of the two architectures."""

import inspect
from dataclasses import asdict, dataclass
from typing import Literal

from nmflowgan_cli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All numbers of a training. Steps count batches; learning rates are those at the start."""

    architecture: Literal["lite", "paper"]
    steps: int
    flow_until: int
    """The flow learns by likelihood in steps 0 .. flow_until."""
    spatial_from: int
    """Spatial network and critic play from this step on."""
    batch: int
    patch: int
    """Side of the square patches, pixels."""
    flow_rate: float
    spatial_rate: float
    critic_rate: float
    adversarial_loss: Literal["logistic", "wgan-gp"]
    generator_every: int
    """Critic steps for each step of the generator."""
    betas: tuple[float, float]
    """Of Adam, in the adversarial part."""
    penalty: float
    """Weight of R1 (logistic) or of the gradient penalty (wgan-gp)."""
    penalty_every: int
    """The penalty is added in every n-th critic step, n-fold."""
    covariance_weight: float
    """Weight of the mismatch between the second moments of real and made latents; 0 switches it off."""
    average_decay: float
    """Decay of the moving average of the spatial network's weights, over its last half; 0 switches it off."""
    clip: float
    """Largest norm of the flow's gradient."""

    def __post_init__(self) -> None:
        if self.patch % 16 or self.patch < 32:
            raise UsageError(f"patch {self.patch} does not fit the networks", "a multiple of 16, from 32")
        if self.batch < 1 or self.steps < 1:
            raise UsageError(f"batch {self.batch} and steps {self.steps} must be at least 1")
        if not 0 <= self.spatial_from <= self.steps or not 0 <= self.flow_until <= self.steps:
            raise UsageError("the parts of the training lie outside of its steps", f"steps 0 to {self.steps}")


def lite(*, flow_steps: int = 7000, spatial_steps: int = 4500, batch: int = 16, patch: int = 64) -> Recipe:
    """First the flow, then the spatial network in whitened space: logistic loss with a light R1 penalty."""
    return Recipe(
        architecture="lite",
        steps=flow_steps + spatial_steps,
        flow_until=flow_steps,
        spatial_from=flow_steps,
        batch=batch,
        patch=patch,
        flow_rate=3e-3,
        spatial_rate=1e-3,
        critic_rate=1e-3,
        adversarial_loss="logistic",
        generator_every=1,
        betas=(0.0, 0.99),
        penalty=0.1,
        penalty_every=8,
        covariance_weight=5.0,
        average_decay=0.999,
        clip=1.0,
    )


def paper(*, steps: int = 200_000, batch: int = 128) -> Recipe:
    """The paper's recipe: flow and U-Net together, WGAN-GP with five critic steps for each generator step."""
    return Recipe(
        architecture="paper",
        steps=steps,
        flow_until=steps,
        spatial_from=0,
        batch=batch,
        patch=96,
        flow_rate=1e-4,
        spatial_rate=1e-4,
        critic_rate=1e-4,
        adversarial_loss="wgan-gp",
        generator_every=5,
        betas=(0.9, 0.999),
        penalty=10.0,
        penalty_every=1,
        covariance_weight=0.0,
        average_decay=0.0,
        clip=float("inf"),
    )


def preset(name: Literal["lite", "paper"], **changes: int) -> Recipe:
    """The recipe of that name with `changes`; raises UsageError for one that it does not have."""
    make = {"lite": lite, "paper": paper}[name]
    unknown = changes.keys() - inspect.signature(make).parameters.keys()
    if unknown:
        flags = ", ".join(f"--{flag.replace('_', '-')}" for flag in sorted(unknown))
        raise UsageError(f"the preset {name} has no {flags}", "see nmflowgan train --help")
    return make(**changes)


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML, a line a number."""
    lines = (
        f"{name} = {list(value) if isinstance(value, tuple) else value!r}" for name, value in asdict(recipe).items()
    )
    return "\n".join(lines).replace("'", '"')
