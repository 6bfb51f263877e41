"""Architectures: a row of one literal table for everything that `train` can make and a weights file can hold.

References are text, "module:name", and each is resolved by the room that needs it: checkpoints build models, training
opens recipes and learners. So the table imports nothing, help works without torch, and no room loads a higher one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from nmflowgan_cli.errors import UsageError

LEARNING = frozenset(
    {"preset", "steps", "batch", "rate", "balance", "seed", "device", "resume", "time_limit", "dry_run"}
)
"""Options of `train` that mean something to whatever learns step by step."""
NOISE = LEARNING | {"simulate", "simulate_share", "init", "validate_every", "tensorboard"}
"""Those of a noise model that learns step by step."""
NMFLOWGAN = NOISE | {"flow_steps", "spatial_steps", "strategy", "ablate", "rendered", "precision", "compiled"}

DENOISER = LEARNING | {"noise", "simulate", "simulate_share"}
"""Those of a denoiser."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What the tool has to know of an architecture, besides its class."""

    model: str
    """Its class: called with a Vocabulary and the options of the header; of a denoiser, with the options alone."""
    title: str
    """What its card calls it."""
    header: str = ""
    """What the header of a weights file calls it; "" for its name in the table."""
    denoiser: bool = False
    """It takes noise away; all others are a `models.base.NoiseModel`."""
    recipes: Mapping[str, str] = field(default_factory=dict)
    """Functions that make a `training.recipe.Recipe`, by the name of the preset; the first is the default."""
    learner: str = ""
    """A `training.learner.Learner`, called with recipe and model; "" where `trainer` brings its own, or has none."""
    trainer: str = "nmflowgan_cli.training.run:run_training"
    """From a `training.run.TrainingRequest` and `progress` to a `training.loop.TrainingOutcome`."""
    options: frozenset[str] = NOISE
    """Options of `train`, by parameter, that mean something to it beside those of the data and the weights file."""
    importer: str = ""
    """Reads checkpoints of its authors' code: from a path to tensors and header, WeightsError for a malformed one."""
    layout: str = ""
    """A regular expression for a name that those checkpoints hold, and those of no other architecture."""
    remark: str = ""
    """A limit that whoever makes noise by its weights is informed of; "" for none."""


_GAUSSIAN = "nmflowgan_cli.models.gaussian:GaussianNoise"
_FIT = "nmflowgan_cli.training.fitting:run_fit"
_PAPER = "[NM-FlowGAN](https://arxiv.org/abs/2312.10112)"

ARCHITECTURES: dict[str, Architecture] = {
    "lite": Architecture(
        model="nmflowgan_cli.models.nmflowgan.lite:LiteNMFlowGAN",
        title=f"architecture `lite` of {_PAPER}",
        recipes={"lite": "nmflowgan_cli.training.nmflowgan.recipe:lite"},
        learner="nmflowgan_cli.training.nmflowgan.lite:LiteLearner",
        options=NMFLOWGAN,
    ),
    "paper": Architecture(
        model="nmflowgan_cli.models.nmflowgan.paper:PaperNMFlowGAN",
        title=f"architecture `paper` of {_PAPER}",
        recipes={"paper": "nmflowgan_cli.training.nmflowgan.recipe:paper"},
        learner="nmflowgan_cli.training.nmflowgan.paper:PaperLearner",
        options=NMFLOWGAN,
        importer="nmflowgan_cli.checkpoints.official:import_official",
        layout="model_weight",
    ),
    "c2n": Architecture(
        model="nmflowgan_cli.models.c2n:C2N",
        title="[C2N](https://openaccess.thecvf.com/content/ICCV2021/html/Jang_C2N_Practical_Generative_Noise_Modeling_"
        "for_Real-World_Denoising_ICCV_2021_paper.html), which knows no camera and no ISO",
        recipes={"lite": "nmflowgan_cli.training.c2n:lite", "paper": "nmflowgan_cli.training.c2n:paper"},
        learner="nmflowgan_cli.training.c2n:C2NLearner",
        importer="nmflowgan_cli.checkpoints.c2n:import_c2n",
        layout=r"(module\.)?ext_head\..*",
        remark="C2N knows no camera and no ISO: all that it has learned get the same noise",
    ),
    "srgbflow": Architecture(
        model="nmflowgan_cli.models.srgbflow:SRGBFlow",
        title="[sRGBFlow](https://arxiv.org/abs/2206.00812)",
        recipes={"lite": "nmflowgan_cli.training.srgbflow:lite", "paper": "nmflowgan_cli.training.srgbflow:paper"},
        learner="nmflowgan_cli.training.srgbflow:SRGBFlowLearner",
        importer="nmflowgan_cli.checkpoints.srgbflow:import_srgbflow",
        layout=r"model\.\d+\._shift_and_log_scale\..*",
    ),
    "neca": Architecture(
        model="nmflowgan_cli.models.neca:NeCA",
        title="[NeCA](https://openaccess.thecvf.com/content/CVPR2023/html/Fu_sRGB_Real_Noise_Synthesizing_With_"
        "Neighboring_Correlation-Aware_Noise_Model_CVPR_2023_paper.html)",
        recipes={"lite": "nmflowgan_cli.training.neca:lite", "paper": "nmflowgan_cli.training.neca:paper"},
        learner="nmflowgan_cli.training.neca:NeCALearner",
        importer="nmflowgan_cli.checkpoints.neca:import_neca",
        layout=r"linear\.0\.0\.weight|conv5\.weight|decoder_head\.0\.weight",
        remark="NeCA sees camera and ISO through its level alone",
    ),
    "naflow": Architecture(
        model="nmflowgan_cli.models.naflow:NAFlow",
        title="[NAFlow](https://openreview.net/forum?id=2XBBumBGeP)",
        recipes={"lite": "nmflowgan_cli.training.naflow:lite", "paper": "nmflowgan_cli.training.naflow:paper"},
        learner="nmflowgan_cli.training.naflow:NAFlowLearner",
        importer="nmflowgan_cli.checkpoints.naflow:import_naflow",
        layout=r"(model\.)?(mean_shift_.*|flowUpsamplerNet\..*)",
    ),
    "awgn": Architecture(
        model=_GAUSSIAN,
        header="gaussian",
        title="additive white Gaussian noise, a mean and a variance for each camera, ISO and channel",
        trainer=_FIT,
        options=frozenset(),
    ),
    "heteroscedastic": Architecture(
        model=_GAUSSIAN,
        header="gaussian",
        title="Gaussian noise, a mean and a variance linear in the clean level for each camera, ISO and channel",
        trainer=_FIT,
        options=frozenset(),
    ),
    "dncnn": Architecture(
        model="nmflowgan_cli.denoising.dncnn:DnCNN",
        title="A denoiser (DnCNN)",
        denoiser=True,
        recipes={"lite": "nmflowgan_cli.denoising.recipe:lite", "paper": "nmflowgan_cli.denoising.recipe:paper"},
        trainer="nmflowgan_cli.denoising.train:run_denoiser",
        options=DENOISER,
        importer="nmflowgan_cli.denoising.imported:import_dncnn",
        layout=r"model\.\d+\.running_var",
    ),
    "unet": Architecture(
        model="nmflowgan_cli.denoising.unet:UNet",
        title="A denoiser (U-Net)",
        denoiser=True,
        recipes={"lite": "nmflowgan_cli.denoising.recipe:unet"},
        trainer="nmflowgan_cli.denoising.train:run_denoiser",
        options=DENOISER,
    ),
}
"""By the name that `train --model` takes."""


def architecture(name: str) -> Architecture:
    """The row of that name; raises UsageError listing the names."""
    if name not in ARCHITECTURES:
        raise UsageError(f"unknown architecture {name!r}", f"one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def of_header(name: str) -> Architecture | None:
    """The first row that a header calls `name`; None for an architecture that this version does not know."""
    return next((row for key, row in ARCHITECTURES.items() if (row.header or key) == name), None)


def header_names() -> list[str]:
    """What headers call the architectures of the table."""
    return list(dict.fromkeys(row.header or key for key, row in ARCHITECTURES.items()))


def load_reference(reference: str) -> Any:
    """The class or function of a reference "module:name"."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
