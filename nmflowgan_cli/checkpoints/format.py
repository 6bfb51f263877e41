"""The weights file: safetensors, with everything about the model in a JSON header.

Reading executes nothing from the file: tensors are bytes, the header is text. A file is written beside its
final place and then moved there, so it appears whole or not at all.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmflowgan_cli import __version__
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import NmflowganError, WeightsError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.schemas import SchemaError, converted, parsed, reason, refuse_controls

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
KEY = "nmflowgan"
"""Key of the header in the metadata of the safetensors file."""

LICENCES = {"mit": "mit", "cc0": "cc0-1.0", "cc0-1.0": "cc0-1.0", "cc-by-4.0": "cc-by-4.0", "apache-2.0": "apache-2.0"}
"""Terms that forbid no use, and their identifiers at Hugging Face."""

IMPORT_HINT = "a checkpoint of the authors' code is converted by: nmflowgan weights import FILE.pth -o NAME.safetensors"


@dataclass(frozen=True, kw_only=True)
class Header:
    """The metadata of a weights file."""

    architecture: str
    """"paper", "lite", "gaussian", or "dncnn", which is a denoiser."""
    options: Mapping[str, Any]
    """Keyword arguments of the architecture's class, as JSON values."""
    vocabulary: Vocabulary
    """Cameras and ISOs, with the number of training patches of each."""
    name: str = ""
    data: tuple[str, ...] = ()
    """Training data, a phrase each."""
    terms: str = ""
    """Terms of use."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Measured numbers, with the command that made them."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """The kind of a Gaussian model; noise and recipe of a denoiser's training."""
    tool_version: str = __version__
    format_version: int = FORMAT_VERSION

    @property
    def restricted(self) -> bool:
        """Whether the terms forbid some use; whoever loads the weights is informed of them."""
        return bool(self.terms) and self.terms.lower() not in LICENCES

    def to_json(self) -> dict[str, Any]:
        """JSON values; the vocabulary becomes `cameras`, `isos` and `trained` (ISOs as text)."""
        trained = {c: {str(iso): n for iso, n in isos.items()} for c, isos in self.vocabulary.trained.items()}
        return {
            "format_version": self.format_version,
            "tool_version": self.tool_version,
            "name": self.name,
            "architecture": self.architecture,
            "options": dict(self.options),
            "cameras": list(self.vocabulary.cameras),
            "camera_names": dict(self.vocabulary.names),
            "isos": list(self.vocabulary.isos),
            "trained": trained,
            "data": list(self.data),
            "terms": self.terms,
            "metrics": dict(self.metrics),
            "training": dict(self.training),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Header":
        """The header of `to_json`; raises SchemaError where it is not one."""
        from nmflowgan_cli.checkpoints.header_schema import validated

        stored = validated(values)
        return Header(
            architecture=stored.architecture,
            options=dict(stored.options),
            vocabulary=Vocabulary(tuple(stored.cameras), tuple(stored.isos), stored.trained, stored.camera_names),
            name=stored.name,
            data=tuple(stored.data),
            terms=stored.terms,
            metrics=stored.metrics,
            training=stored.training,
            tool_version=stored.tool_version,
            format_version=stored.format_version,
        )


def save_weights(
    path: Path, model_state: "Mapping[str, Tensor]", header: Header, error: type[NmflowganError] = WeightsError
) -> None:
    """Write a weights file; raises `error` or DiskError, and then leaves nothing behind."""
    from safetensors.torch import save

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model_state.items()}
    write_whole(path, save(state, {KEY: json.dumps(header.to_json(), ensure_ascii=False)}), error)


def read_header(path: Path) -> Header:
    """The header alone; raises WeightsError."""
    return read_shapes(path)[0]


def read_shapes(path: Path) -> tuple[Header, dict[str, tuple[int, ...]]]:
    """The header, and the shapes of the tensors by name, without the tensors; raises WeightsError."""
    from safetensors import safe_open

    _check_is_file(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # noqa: BLE001 - safetensors raises many kinds for a damaged file
        raise _not_safetensors(path, error) from None
    return _parse(path, metadata.get(KEY)), shapes


def load_weights(path: Path) -> "tuple[dict[str, Tensor], Header]":
    """Tensors (CPU) and header of a weights file; raises WeightsError."""
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        return load_file(path), header
    except Exception as error:  # noqa: BLE001 - safetensors raises many kinds for a damaged file
        raise _not_safetensors(path, error) from None


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise WeightsError(f"no such weights file: {path}")
    if not path.is_file():
        raise WeightsError(f"not a file: {path}")


def _not_safetensors(path: Path, error: Exception) -> WeightsError:
    """The error for a file that safetensors refuses: another format, or damaged."""
    start = b""
    with contextlib.suppress(OSError), path.open("rb") as file:
        start = file.read(2)
    if start in (b"PK", b"\x80\x02", b"\x80\x04"):
        return WeightsError(f"{path} is a pickled PyTorch file, not safetensors", IMPORT_HINT)
    if start.startswith(b"{"):
        return WeightsError(
            f"{path} is JSON, not safetensors", "a noise profile is shown by: nmflowgan profile show FILE"
        )
    return WeightsError(f"{path} is damaged or not a safetensors file: {reason(error)}")


def _parse(path: Path, text: str | None) -> Header:
    """The header from its JSON; a newer format is refused before its fields are looked at."""
    if text is None:
        raise WeightsError(f"{path} has no nmflowgan header: it is not a weights file of this tool", IMPORT_HINT)
    try:
        values: dict[str, Any] = parsed(text, dict[str, Any])
        version: int = converted(values.get("format_version"), int)
        if version <= FORMAT_VERSION:
            return Header.from_json(values)
        tool = converted(values.get("tool_version", "?"), str)
        refuse_controls(tool)
    except SchemaError as error:
        raise WeightsError(f"{path} has an invalid header: {error}") from None
    raise WeightsError(
        f"{path} has format {version}, newer than this tool knows ({FORMAT_VERSION})",
        f"it was written by nmflowgan {tool[:40]}: upgrade nmflowgan-cli",
    )


def refuse_names(path: Path, problem: str, names: Iterable[str]) -> None:
    """Raise WeightsError saying that `path` has this problem with the tensors `names`, if there are any."""
    listed = sorted(names)
    if listed:
        more = f" and {len(listed) - 4} more" if len(listed) > 4 else ""
        raise WeightsError(f"{path} {problem} {', '.join(name[:100] for name in listed[:4])}{more}")
