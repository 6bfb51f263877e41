"""Schemas of side files: JSON values of unknown origin, validated with msgspec and limits.

Every failure is a `SchemaError` in one line that names the field, for the caller to say which file it is.
"""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

LONGEST_LINE = 2**20
"""Bytes of a record or a row."""
LONGEST_DOCUMENT = 2**24
"""Bytes of a JSON document."""
ALLOWED_CONTROLS = "\n\t"

T = TypeVar("T")


class SchemaError(ValueError):
    """Text that is not JSON, too long, nested too deeply, or not as its schema has it."""


def parsed(text: str | bytes, schema: type[T] | Any = Any) -> T:
    """JSON text as a value of `schema`; raises SchemaError."""
    if len(text) > LONGEST_DOCUMENT:
        raise SchemaError(f"longer than {LONGEST_DOCUMENT} bytes")
    try:
        values = json.loads(text)
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise SchemaError(f"not JSON: {error.msg} at {error.pos}") from None
    except ValueError as error:  # not UTF-8, or a number of thousands of digits
        raise SchemaError(f"not JSON: {str(error)[:100]}") from None
    return converted(values, schema)


def converted(values: object, schema: type[T] | Any) -> T:
    """JSON values as a value of `schema`; raises SchemaError naming the field."""
    import msgspec

    try:
        return msgspec.convert(values, schema, str_keys=True)
    except (msgspec.ValidationError, RecursionError, OverflowError, UnicodeError) as error:
        raise SchemaError(str(error).replace("`$.", "`").replace(" - at `$`", "") or "nested too deeply") from None


def refuse_controls(values: object, field: str = "") -> None:
    """Raise SchemaError naming the field that holds a control character or half a surrogate pair."""
    if isinstance(values, str):
        bad = [c for c in values if unicodedata.category(c) in ("Cc", "Cs") and c not in ALLOWED_CONTROLS]
        if bad:
            raise SchemaError(f"control character U+{ord(bad[0]):04X} in {field or 'the text'}")
    elif isinstance(values, dict):
        for key, value in values.items():
            refuse_controls(str(key), field or "a name")
            refuse_controls(value, str(key))
    elif isinstance(values, (list, tuple)):
        for value in values:
            refuse_controls(value, field)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, from 1; raises SchemaError for one that is too long, and OSError."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise SchemaError(f"line {number}: longer than {LONGEST_LINE} bytes")
            yield number, line


def reason(error: BaseException, limit: int = 120) -> str:
    """What a library says of a damaged file, on one line; the kind of error where it says nothing."""
    return " ".join(str(error).split())[:limit] or type(error).__name__
