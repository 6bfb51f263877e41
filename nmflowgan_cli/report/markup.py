"""HTML put together from elements: whatever is not markup already is escaped."""

import base64
import html
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOID = frozenset({"br", "img", "input", "link", "meta"})
"""Elements without content, which have no end tag."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


@dataclass(frozen=True)
class Section:
    """A part of the page, with its place in the table of contents."""

    key: str
    """The id of its heading; a name of small letters and hyphens."""
    title: str
    body: Markup


def element(name: str, /, *children: str, **attributes: str | int | bool | None) -> Markup:
    """`<name attributes>children</name>`; children that are not Markup are escaped.

    Attributes: `class_` is class, `aria_label` is aria-label; True stands alone, False and None are left out.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """All children, one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(child) for child in children))


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def picture(rgb: NDArray[np.uint8], alt: str) -> Markup:
    """An `<img>` that holds (H, W, 3) uint8 RGB itself, as lossless WebP."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "WEBP", lossless=True, exact=True, quality=50, method=2)
    source = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return element("img", src=source, alt=alt, width=rgb.shape[1], height=rgb.shape[0])
