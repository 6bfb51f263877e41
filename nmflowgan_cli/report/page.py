"""HTML pages of reports, rendered from `templates/`: self-contained, without network and scripts."""

import base64
import io
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli import __version__
from nmflowgan_cli.conditions import CAMERA_NAMES
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import write_error
from nmflowgan_cli.imaging import atomic_write

PACKAGES = ("torch", "numpy", "matplotlib")
"""Packages whose versions a page names, if they are installed."""


@dataclass(frozen=True)
class Origin:
    """Provenance of a report: command line, date, and the evaluation as JSON."""

    command: str
    date: str
    """In UTC."""
    measured: Mapping[str, Any]
    """`noise_json` or `denoising_json`, embedded in the page for programs; NaN is None."""


def require_packages(*names: str) -> None:
    """Raise UsageError for the first package of the extra `report` that is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise UsageError(f"--report needs the package {name}", f"pip install {name}")


def render(template: str, origin: Origin, **values: Any) -> str:
    """HTML of a template with `values`, all text escaped; raises jinja2.UndefinedError for a name without a value."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nmflowgan_cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment.get_template(template).render(values, origin=origin, facts=provenance(origin))


def write_report(path: Path, text: str) -> int:
    """Write a page whole or not at all, and return its size in bytes; raises NmflowganError."""
    content = text.encode(errors="backslashreplace")  # names may have bytes that are not UTF-8
    try:
        atomic_write(path, lambda file: file.write(content))
    except OSError as error:
        raise write_error(path, error) from None
    return len(content)


def data_uri(rgb: NDArray[np.uint8]) -> str:
    """`data:` URI of (H, W, 3) uint8 RGB as a lossless WebP."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "WEBP", lossless=True, exact=True, quality=50, method=2)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def provenance(origin: Origin) -> dict[str, str]:
    """Data, protocol, versions and date of an evaluation, as text by their names."""
    measured = {name: _listed(origin.measured[name]) for name in ("data", "protocol") if name in origin.measured}
    packages = {name: metadata.version(name) for name in PACKAGES if find_spec(name)}
    versions = {"nmflowgan": __version__, "Python": platform.python_version(), **packages}
    return {**measured, "versions": _listed(versions), "date": origin.date}


def _listed(facts: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)

    return "; ".join(f"{key.replace('_', ' ')} {text(value)}" for key, value in facts.items())


def full_name(camera: str) -> str:
    """Name and code of a camera, like "Apple iPhone 7 (IP)"; the code alone where it has no name."""
    return f"{CAMERA_NAMES[camera]} ({camera})" if camera in CAMERA_NAMES else camera
