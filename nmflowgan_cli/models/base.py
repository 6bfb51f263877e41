"""The contract of every noise model, conditions as tensors, and counts from floats."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition, Vocabulary
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.randomness import USUAL
from nmflowgan_cli.randomness import Draws as Draws
from nmflowgan_cli.tiling import Geometry as Geometry

if TYPE_CHECKING:
    from nmflowgan_cli.imaging import Bytes

WHITE = 255
"""The largest count of a channel."""

PARTS = ("sal", "sdl", "gan")
"""Parts that a model may be built without, as in Tables II and IV of the paper: the structure-aware and the
signal-dependent layers, and the spatial network with its critic."""


def refuse_unknown_parts(without: Sequence[str]) -> None:
    """Raise ValueError for a part that no model has."""
    unknown = [part for part in without if part not in PARTS]
    if unknown:
        raise ValueError(f"a model has no part {unknown[0]!r}, only {', '.join(PARTS)}")


class Code(NamedTuple):
    """Camera and ISO of a batch, as the networks take them; float32."""

    camera: Tensor
    """(N, cameras) one-hot."""
    iso: Tensor
    """(N, ISOs) soft one-hot: exact at trained ISOs, linear in log ISO between them."""
    log_iso: Tensor
    """(N,) log2(ISO / 100); 0 where the ISO is not known."""

    def to(self, device: torch.device | str) -> "Code":
        return Code(*(field.to(device) for field in self))


class Fields(NamedTuple):
    """The random numbers of a window, drawn outside of the model so that they depend on the picture alone.

    How many there are, `NoiseModel.draws` says.
    """

    latent: Tensor
    """(N, 3, H, W) standard normal."""
    uniform: Tensor
    """(N, 3, H, W) uniform in [0, 1): dequantisation of the clean picture."""
    whole: Tensor = torch.empty(0)
    """(N, K) standard normal, the same in every window of a picture; for models that have such draws."""


Window = tuple[Tensor, Fields]
"""A clean window (N, 3, H, W), float32 counts, and its random fields."""


class NoiseModel(ABC):
    """Turns clean pictures into noisy ones, as a camera at an ISO would have taken them."""

    vocabulary: Vocabulary
    geometry: Geometry
    draws: Draws = USUAL
    """What `Fields` has to hold for it."""

    has_density: ClassVar[bool] = False
    """Whether it can say how likely real noise is, by `nll`."""

    bears_bfloat16: bool = False
    """Whether convolutions in bfloat16 are measured to leave the statistics of its noise as they are in float32."""

    batches_keep_bits: ClassVar[bool] = False
    """Whether on the CPU the last bit of a sample does not depend on the rest of its batch."""

    @abstractmethod
    def to(self, device: torch.device | str) -> "NoiseModel":
        """The model with its tensors on `device`."""

    def statistics(self, windows: Callable[[], Iterable[Window]], code: Code) -> Any:
        """Statistics of the whole picture that `sample` needs for each window of it; None by default.

        `windows()` yields the picture once, in windows that neither overlap nor leave gaps.
        """
        return None

    @abstractmethod
    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Any = None) -> Tensor:
        """Noisy pictures, float32 counts, neither rounded nor clipped, shaped as `clean`.

        `clean`: (N, 3, H, W), float32 counts in [0, 255], RGB, any H and W from 1; counts of 16-bit pictures have
        fractions. The upper left corner lies at even coordinates of the picture (the Bayer phase). `fields`: of the
        same height and width.
        """

    def sample_deep(self, clean: Tensor, code: Code, fields: Fields, statistics: Any = None) -> Tensor:
        """As `sample`, for noisy pictures of 16 bits: without the whole counts that a model may work with inside."""
        return self.sample(clean, code, fields, statistics)

    def nll(self, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
        """-ln p(noisy | clean, code) in nats, summed over the values of each patch, (N,); only if `has_density`.

        `clean`, `noisy`: (N, 3, P, P) integer counts. `fields`: the picture's dequantisation, and in place of the
        latents a second uniform field, which dequantises `noisy`.
        """
        raise NotImplementedError(type(self).__name__)

    def extrapolated(self, rgb: "Bytes", condition: Condition) -> Mapping[str, float]:
        """What noise for this clean picture, (H, W, 3) uint8 RGB, rests on beyond what the model was made from.

        Empty where the model does not say: by "iso" the ISO, by "levels" the share of the picture's values, by
        "texture" the share of its blocks.
        """
        return {}

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """The state of such a model for more cameras and ISOs, with the noise of those that this one knows.

        Raises UsageError where the architecture cannot be extended.
        """
        raise UsageError(f"{type(self).__name__} cannot be extended by cameras and ISOs", "train it without --init")


def encode(vocabulary: Vocabulary, conditions: Sequence[Condition]) -> Code:
    """The conditions of a batch as tensors on the CPU; raises ConditionError for an unknown one."""
    iso = torch.tensor([vocabulary.iso_weights(condition) for condition in conditions])
    indices = torch.tensor([vocabulary.cameras.index(condition.camera) for condition in conditions])
    camera = torch.nn.functional.one_hot(indices, len(vocabulary.cameras)).float()
    return Code(camera, iso, torch.tensor([_log_iso(condition) for condition in conditions]))


def _log_iso(condition: Condition) -> float:
    return 0.0 if condition.iso == UNKNOWN_ISO else math.log2(condition.iso / 100)


def to_counts(values: Tensor) -> Tensor:
    """Float counts rounded half up and clipped to [0, 255], float32."""
    return values.float().add(0.5).floor_().clamp_(0, WHITE)


def to_bytes(values: Tensor) -> Tensor:
    """As `to_counts`, uint8."""
    return to_counts(values).to(torch.uint8)


def to_deep(values: Tensor) -> Tensor:
    """Float counts as 16-bit values (65535 is count 255), rounded half up and clipped to [0, 65535], int32."""
    return values.float().mul(65535 / WHITE).add(0.5).floor_().clamp_(0, 65535).to(torch.int32)
