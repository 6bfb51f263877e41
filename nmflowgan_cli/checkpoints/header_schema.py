"""Schema of the JSON header of a weights file, with limits."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from nmflowgan_cli.schemas import SchemaError, converted, refuse_controls

DEEPEST = 12
"""Levels of nested metrics."""

Text = Annotated[str, Meta(max_length=10_000)]
Name = Annotated[str, Meta(max_length=200)]
Size = Annotated[int, Meta(ge=0, le=4096)]
"""Of a layer, a kernel, a stack: the largest that any model here has is 1024."""
Scalar = bool | Size | Annotated[float, Meta(ge=-1e6, le=1e6)] | Name | None
Iso = Annotated[int, Meta(ge=0, le=10_000_000)]
"""0: not known."""
Count = Annotated[int, Meta(ge=0, le=2**53)]
Number = float | None
Some = Meta(max_length=256)


class StoredHeader(Struct, kw_only=True):
    """The header as it stands in a file; what it has besides is of a later version, and ignored."""

    format_version: Annotated[int, Meta(ge=1, le=10_000)]
    tool_version: Name
    name: Name
    architecture: Annotated[str, Meta(min_length=1, max_length=200)]
    options: Annotated[dict[Name, Scalar | Annotated[list[Scalar], Meta(max_length=32)]], Some]
    cameras: Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Some]
    isos: Annotated[list[Iso], Some]
    trained: Annotated[dict[Name, Annotated[dict[Iso, Count], Some]], Some]
    camera_names: Annotated[dict[Name, Name], Some] = {}
    data: Annotated[list[Text], Some]
    terms: Text
    metrics: dict[str, Any]
    training: dict[str, Any] = {}


class StoredScores(Struct, kw_only=True):
    """The scores of a camera, or their mean, wherever they stand among the metrics."""

    kld: Number
    pictures: Count
    patches: Count
    akld: Number = None
    std_ratio: Number = None
    std_curve: Number = None
    mean_curve: Number = None
    lags_real: Annotated[list[float], Meta(min_length=3, max_length=3)]
    lags_fake: Annotated[list[float], Meta(min_length=3, max_length=3)]
    channels_real: Annotated[list[float], Meta(min_length=1, max_length=3)]
    channels_fake: Annotated[list[float], Meta(min_length=1, max_length=3)]
    kld_interval: Annotated[list[Number], Meta(min_length=2, max_length=2)] | None = None


def validated(values: object) -> StoredHeader:
    """The header of JSON values; raises SchemaError naming the field."""
    header: StoredHeader = converted(values, StoredHeader)
    refuse_controls(values)
    _refuse_vocabulary(header)
    for part in header.metrics.items():
        _refuse_metrics(*part)
    return header


def _refuse_vocabulary(header: StoredHeader) -> None:
    """Raise SchemaError for cameras or ISOs that are listed twice, or trained and not listed."""
    for field, listed in (("cameras", header.cameras), ("isos", header.isos)):
        if len(set(listed)) < len(listed):
            raise SchemaError(f"{field} lists one twice")
    if not header.trained.keys() <= set(header.cameras):
        raise SchemaError("trained has a camera that cameras does not list")
    if not {iso for isos in header.trained.values() for iso in isos} <= set(header.isos):
        raise SchemaError("trained has an ISO that isos does not list")


def _refuse_metrics(name: str, value: object, depth: int = 0) -> None:
    """Raise SchemaError for scores that are no numbers."""
    if depth > DEEPEST:
        raise SchemaError(f"metrics: {name[:80]} is nested too deeply")
    if not isinstance(value, dict):
        return
    if "kld" in value:
        try:
            converted(value, StoredScores)
        except SchemaError as error:
            raise SchemaError(f"metrics, {name[:80]}: {error}") from None
    else:
        for part in value.items():
            _refuse_metrics(*part, depth + 1)
