"""nmflowgan: real camera noise for clean photographs.

>>> import nmflowgan_cli
>>> noisy = nmflowgan_cli.load("sidd-lite").synthesize(array, camera="IP", iso=800, seed=0)  # doctest: +SKIP
"""

TYPE_CHECKING = False  # typing's, without its import: signals are answered only after this file
if TYPE_CHECKING:
    from typing import Any

    from nmflowgan_cli.augmentation import AddCameraNoise
    from nmflowgan_cli.conditions import Condition
    from nmflowgan_cli.errors import NmflowganError
    from nmflowgan_cli.models.base import NoiseModel
    from nmflowgan_cli.noisy_pairs import NoisyPairs
    from nmflowgan_cli.synthesis.api import CameraNoise, load

__all__ = [
    "AddCameraNoise",
    "CameraNoise",
    "Condition",
    "NmflowganError",
    "NoiseModel",
    "NoisyPairs",
    "__version__",
    "load",
]

__version__ = "0.1.0"

_HOMES = {
    "AddCameraNoise": "nmflowgan_cli.augmentation",
    "CameraNoise": "nmflowgan_cli.synthesis.api",
    "Condition": "nmflowgan_cli.conditions",
    "NmflowganError": "nmflowgan_cli.errors",
    "NoiseModel": "nmflowgan_cli.models.base",
    "NoisyPairs": "nmflowgan_cli.noisy_pairs",
    "load": "nmflowgan_cli.synthesis.api",
}


def __getattr__(name: str) -> "Any":
    """The public names, found when they are first asked for: importing the package imports no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
