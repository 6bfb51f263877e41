"""Damage: bytes at random, and values of JSON and CSV that nobody expects."""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from scripts.mutants import mutant

Rng = np.random.Generator
DEEP, DIGITS = "@deep@", "@digits@"
"""Stand for values that JSON's writer cannot make."""
LITERAL = {f'"{DEEP}"': "[" * 20_000 + "]" * 20_000, f'"{DIGITS}"': "9" * 6_000}
OUTSIDE = "/tmp/nmflowgan-outside"
WEIRD: tuple[Any, ...] = (
    *(None, True, False, "", "x", 0, -1, 1, 2**31, 2**63, 10**8, 10**30, 0.5, -1e308, float("nan"), float("inf")),
    *([], {}, [1], ["x"], {"x": 1}, [[]], [None], {"": None}, DEEP, DIGITS, "A" * 50_000, "\ud800", "\0", "1e9"),
    *("\x1b[31mred\x1b[0m\x07\n", "a\nb\rc", "../outside.png", f"{OUTSIDE}/x.png", "/dev/zero", "~", ".", "..", "é"),
)


def damaged(content: bytes, rng: Rng) -> bytes:
    """`content` with bytes changed, or two of its blocks exchanged."""
    if rng.random() < 0.1 and len(content) > 64:
        size = int(rng.integers(8, len(content) // 4))
        one, other = sorted(int(place) for place in rng.integers(0, len(content) - size, 2))
        if one + size <= other:
            first, second = content[one : one + size], content[other : other + size]
            return content[:one] + second + content[one + size : other] + first + content[other + size :]
    return mutant(content, rng)


def mangled(value: Any, rng: Rng) -> Any:
    """A JSON value with one of its parts, at any depth, taken out, exchanged, doubled or added."""
    if not (isinstance(value, dict | list) and value) or rng.random() < 0.1:
        return WEIRD[int(rng.integers(len(WEIRD)))]
    if isinstance(value, list):
        place = int(rng.integers(len(value)))
        kind = rng.random()
        changed = [] if kind < 0.15 else [value[place]] * 2 if kind < 0.2 else [mangled(value[place], rng)]
        return [*value[:place], *changed, *value[place + 1 :]]
    key = list(value)[int(rng.integers(len(value)))]
    kind = rng.random()
    if kind < 0.2:
        return {name: one for name, one in value.items() if name != key}
    if kind < 0.3:
        return {**value, str(WEIRD[int(rng.integers(len(WEIRD)))]): value[key]}
    return {**value, key: mangled(value[key], rng)}


def as_json(value: Any) -> str:
    text = json.dumps(value)
    for token, literal in LITERAL.items():
        text = text.replace(token, literal)
    return text


def json_lines(content: bytes, rng: Rng) -> bytes:
    """Lines of JSON, of which one is mangled; sometimes bytes of the file are damaged instead."""
    if rng.random() < 0.25:
        return damaged(content, rng)
    lines = content.decode().splitlines()
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(lines)))
        try:
            lines[place] = as_json(mangled(json.loads(lines[place]), rng))
        except (ValueError, RecursionError):  # mangled before
            lines[place] = ""
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def json_file(content: bytes, rng: Rng) -> bytes:
    if rng.random() < 0.25:
        return damaged(content, rng)
    return as_json(mangled(json.loads(content), rng)).encode("utf-8", "surrogatepass")


def csv_file(content: bytes, rng: Rng) -> bytes:
    """A CSV with a cell of another kind, or a row or column fewer or more; sometimes bytes are damaged instead."""
    if rng.random() < 0.25:
        return damaged(content, rng)
    rows = list(csv.reader(io.StringIO(content.decode())))
    place = int(rng.integers(len(rows)))
    column = int(rng.integers(len(rows[place])))
    kind = rng.random()
    if kind < 0.6:
        rows[place][column] = str(WEIRD[int(rng.integers(len(WEIRD)))])
    elif kind < 0.8:
        del rows[place][column]
    else:
        rows[place].insert(column, "more")
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


def safetensors_file(content: bytes, rng: Rng) -> bytes:
    """Weights with a mangled header: of safetensors itself, or the JSON text of the tool inside of it."""
    if rng.random() < 0.25:
        return damaged(content, rng)
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    if rng.random() < 0.75:
        own = header["__metadata__"]
        own["nmflowgan"] = as_json(mangled(json.loads(own["nmflowgan"]), rng))
    else:
        header = mangled(header, rng)
    text = as_json(header).encode("utf-8", "surrogatepass")
    length = len(text) if rng.random() < 0.95 else int(rng.choice([0, 1, 2**31, 2**63 - 1, len(text) - 1]))
    return struct.pack("<Q", length) + text + content[8 + size :]


def zip_file(content: bytes, rng: Rng) -> bytes:
    """A checkpoint of torch with one damaged member: mostly its pickle."""
    if rng.random() < 0.25 or not zipfile.is_zipfile(io.BytesIO(content)):
        return damaged(content, rng)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(file, "w") as made:
        names = given.namelist()
        pickle = next(name for name in names if name.endswith("data.pkl"))
        chosen = pickle if rng.random() < 0.8 else names[int(rng.integers(len(names)))]
        for name in names:
            member = given.read(name)
            made.writestr(name, damaged(member, rng) if name == chosen and member else member)
    return file.getvalue()


def within(start: bytes, length: int, change: Callable[[bytes, Rng], bytes] = damaged) -> Callable[[bytes, Rng], bytes]:
    """Damage to the `length` bytes that begin with `start`, and to nothing else."""

    def changed(content: bytes, rng: Rng) -> bytes:
        place = content.index(start)
        return content[:place] + change(content[place : place + length], rng) + content[place + length :]

    return changed
