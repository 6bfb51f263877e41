"""Schema of registry.json, the list of the weights known by name, with limits."""

from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from nmflowgan_cli.schemas import SchemaError, parsed, refuse_controls

PLAIN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Names that stay in the folder that they are joined to."""
Code = Annotated[str, Meta(min_length=1, max_length=200)]
Iso = Annotated[int, Meta(ge=1, le=10_000_000)]


class StoredEntry(Struct, kw_only=True):
    """An entry as it stands in the file."""

    name: Annotated[str, Meta(pattern=PLAIN, max_length=100)]
    file: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$", max_length=120)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    size: Annotated[int, Meta(ge=1, le=2**34)]
    cameras: Annotated[dict[Code, Annotated[tuple[Iso, ...], Meta(max_length=256)]], Meta(max_length=256)]
    camera_names: Annotated[dict[Code, Code], Meta(max_length=256)]
    terms: Annotated[str, Meta(max_length=10_000)]
    url: Annotated[str, Meta(pattern=r"^https://[!-~]+$", max_length=2000)] | None


class StoredRegistry(Struct):
    weights: Annotated[list[StoredEntry], Meta(max_length=1000)]


def validated(text: bytes) -> list[dict[str, Any]]:
    """The entries of a registry.json; raises SchemaError naming the field."""
    found: StoredRegistry = parsed(text, StoredRegistry)
    entries = [structs.asdict(entry) for entry in found.weights]
    refuse_controls(entries)
    for field in ("name", "file"):
        if len({entry[field] for entry in entries}) < len(entries):
            raise SchemaError(f"two entries have the same {field}")
    return entries
