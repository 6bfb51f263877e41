"""`nmflowgan doctor`: check an installation, for people and for smoke tests in CI."""

import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from nmflowgan_cli import __version__
from nmflowgan_cli.cli import options
from nmflowgan_cli.errors import WeightsError

LIBRARIES = ("torch", "numpy", "pillow", "imageio", "safetensors")
EXAMPLES = """\b
Examples:
  nmflowgan doctor
  nmflowgan doctor --json
  nmflowgan doctor --device cpu
"""


def doctor(
    *,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: options.Json = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Check the installation: versions, device, cache, weights, and a self-test.

    The self-test makes noise with known weights and compares it with a recorded result, in some seconds. Exit code 0
    where all is well; the first check that fails is named, and gives the exit code.
    """
    found: dict[str, Any] = {}
    for name, fact in _checks(device, cache_dir):
        found[name] = fact
        if not as_json:
            typer.echo(f"{name}: {fact}")
    if as_json:
        typer.echo(json.dumps(found))


def _checks(device: str, cache_dir: Path | None) -> Iterator[tuple[str, str]]:
    """Name and result of each check, in order; raises the error of the first that fails."""
    yield "nmflowgan", f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield "libraries", ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    yield "device", _device(device)
    yield "precision", "float32 unless --precision is given; TF32 off"
    yield "cache", _cache(cache_dir)
    yield from _weights(cache_dir)
    yield "self-test", _self_test(device, cache_dir)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _device(device: str) -> str:
    import torch

    from nmflowgan_cli.runtime import resolve_device

    found = resolve_device(device)
    if found.type == "cpu":
        return f"cpu, {torch.get_num_threads()} of {os.cpu_count()} cores"
    return f"{found}, {torch.cuda.get_device_name(found)}"


def _cache(flag: Path | None) -> str:
    """The cache folder, and whether it can be written: no failure, packaged weights are read where they lie."""
    from nmflowgan_cli.checkpoints.hub import cache_dir

    folder = cache_dir(flag)
    existing = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
    if existing.is_dir() and os.access(existing, os.W_OK):
        return str(folder)
    return f"{folder}, cannot be written: the weights of the package are read where they lie"


def _weights(flag: Path | None) -> Iterator[tuple[str, str]]:
    """State of each weights file; raises WeightsError for packaged ones that are damaged or missing."""
    from nmflowgan_cli.checkpoints.hub import local_file, registry, state

    for entry in registry().entries:
        if local_file(entry, flag) is None and entry.url is None:
            raise WeightsError(
                f"weights {entry.name}: {entry.file} of this installation is damaged or missing",
                "reinstall nmflowgan-cli",
            )
        yield f"weights {entry.name}", f"{entry.size} bytes; in the cache: {state(entry, flag)}"


def _self_test(device: str, flag: Path | None) -> str:
    from nmflowgan_cli.synthesis.self_test import SHA256, self_test

    result = self_test(device, flag)
    remark = "as recorded" if result.exact else f"standard deviations as recorded, bytes not ({SHA256[:16]}...)"
    return f"sha256 {result.sha256[:16]}..., {remark}"
