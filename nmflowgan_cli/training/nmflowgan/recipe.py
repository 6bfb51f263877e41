"""Recipes of NM-FlowGAN: flow and spatial network by the presets `lite` and `paper`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, TypeVar

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import PARTS
from nmflowgan_cli.models.nmflowgan.rendering import Rendering
from nmflowgan_cli.training.recipe import Recipe
from nmflowgan_cli.training.sources import DataOptions

Schedule = Literal["smooth", "halving"]
"""How learning rates fall, see schedules.py."""
Strategy = Literal["simultaneous", "joint", "two-stage"]
"""Table VII of the paper. two-stage: the flow learns alone, then stays as it is while the spatial network learns.
simultaneous: both learn in every step and share no gradient. joint: the same, and the adversarial gradient reaches the
flow through its samples."""


Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class NMFlowGANRecipe(Recipe):
    """A training of flow, spatial network and critic."""

    RATES: ClassVar[tuple[str, ...]] = ("flow_rate", "spatial_rate", "critic_rate")

    architecture: Literal["lite", "paper"]
    flow_until: int
    """The flow learns by likelihood in steps 0 .. flow_until."""
    spatial_from: int
    """Spatial network and critic play from this step on."""
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
    schedule: Schedule
    strategy: Strategy
    adversarial_share: float
    """What a unit of the generator's loss is worth in nats a value, where it reaches the flow (joint)."""
    precision: Precision = "float32"
    """In which spatial network and critic calculate in training; their parameters and the penalty are float32."""
    rendered: Rendering = "plain"
    """How the pictures were rendered."""
    ablate: tuple[str, ...] = ()
    """Parts that the model goes without, of `models.base.PARTS`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in self.ablate:
            if part not in PARTS:
                raise UsageError(f"--ablate {part!r} is no part of the model", f"one of {', '.join(PARTS)}")
        if "gan" in self.ablate and self.spatial_from < self.steps:
            raise UsageError("without gan there are no steps of the spatial network")
        if self.patch % 16 or self.patch < 32:
            raise UsageError(f"patch {self.patch} does not fit the networks", "a multiple of 16, from 32")
        if not 0 <= self.spatial_from <= self.steps or not 0 <= self.flow_until <= self.steps:
            raise UsageError("the parts of the training lie outside of its steps", f"steps 0 to {self.steps}")

    def model_options(self) -> dict[str, Any]:
        """The parts to leave out; `lite` also has to know how the pictures were rendered."""
        rendered = {"rendered": self.rendered} if self.architecture == "lite" else {}
        return {"without": list(self.ablate), **rendered}

    def going_on(self, options: Mapping[str, Any]) -> Self:
        """The recipe for the model of a header, without what that goes without; UsageError for an ablation."""
        if self.ablate:
            raise UsageError("--ablate builds a new model, --init takes one as it is", "leave one of them out")
        recipe = replace(self, rendered=options.get("rendered", self.rendered))
        return without(recipe, options.get("without", ()))

    def data(self, wanted: DataOptions) -> DataOptions:
        """The data, cropped where the positions of their rendering repeat."""
        return replace(wanted, rendered=self.rendered)


def lite(
    *,
    flow_steps: int = 7000,
    spatial_steps: int = 4500,
    batch: int = 16,
    patch: int = 64,
    rendered: Rendering = "plain",
    strategy: Strategy = "two-stage",
    ablate: Sequence[str] = (),
    precision: Precision = "float32",
) -> NMFlowGANRecipe:
    """First the flow, then the spatial network in whitened space: logistic loss with a light R1 penalty.

    With the other strategies both learn in all of max(flow_steps, spatial_steps) steps.
    """
    two_stage = strategy == "two-stage"
    steps = flow_steps + spatial_steps if two_stage else max(flow_steps, spatial_steps)
    recipe = NMFlowGANRecipe(
        architecture="lite",
        steps=steps,
        flow_until=flow_steps if two_stage else steps,
        spatial_from=flow_steps if two_stage else 0,
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
        schedule="smooth",
        strategy=strategy,
        # A logit stands for 4 x 4 pixels.
        adversarial_share=1 / (3 * 4 * 4),
        rendered=rendered,
        precision=precision,
    )
    return without(recipe, ablate)


def paper(
    *,
    steps: int = 200_000,
    batch: int = 128,
    strategy: Strategy = "simultaneous",
    ablate: Sequence[str] = (),
    precision: Precision = "float32",
) -> NMFlowGANRecipe:
    """The paper's recipe: flow and U-Net together, WGAN-GP with five critic steps for each generator step.

    Rates are halved every 10 of 40 epochs, that is at each quarter of the steps. two-stage: half of the steps each.
    """
    two_stage = strategy == "two-stage"
    recipe = NMFlowGANRecipe(
        architecture="paper",
        steps=steps,
        flow_until=steps // 2 if two_stage else steps,
        spatial_from=steps // 2 if two_stage else 0,
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
        schedule="halving",
        strategy=strategy,
        # The paper adds the score of a patch to the nats of all of its values.
        adversarial_share=1 / (3 * 96 * 96),
        precision=precision,
    )
    return without(recipe, ablate)


Chosen = TypeVar("Chosen", bound=NMFlowGANRecipe)


def without(recipe: Chosen, parts: Sequence[str]) -> Chosen:
    """The recipe of the model without `parts`, each once; without gan the steps of the spatial network go too."""
    parts = tuple(dict.fromkeys(parts))
    if "gan" in parts:
        steps = recipe.flow_until
        recipe = replace(recipe, steps=steps, spatial_from=steps)
    return replace(recipe, ablate=parts)
