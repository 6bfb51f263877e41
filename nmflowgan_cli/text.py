"""Text for people: what strangers have written, in a form that no terminal obeys.

Names of files, headers of weights, terms, names of cameras come from anywhere. On a terminal their control characters
would move the cursor, colour or hide what stands there, or type commands; those of direction would turn it round.
"""

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_OBEYED = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (C0, DEL, C1), marks of direction, breaks of lines, and what bytes become that are not UTF-8."""


def shown(text: str, *, lines: bool = False) -> str:
    """The text with all that a terminal might obey escaped as in JSON, like `\\\\u001b`; `lines`: but for newlines.

    What is JSON already keeps its value.
    """
    return _OBEYED.sub(lambda found: found[0] if lines and found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """The text shown on one line: breaks of lines are spaces."""
    return shown(" ".join(text.splitlines()))


def say(text: str) -> None:
    """Print a line on stderr, `one_line`."""
    sys.stderr.write(one_line(text) + "\n")
    sys.stderr.flush()


def console(*, stderr: bool = False) -> "Console":
    """A console for tables and progress bars; prints text as it is, without markup, and `shown`."""
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
    from rich.segment import Segment

    class Shown:
        def __init__(self, content: ConsoleRenderable) -> None:
            self.content = content

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for text, style, control in console.render(self.content, options):
                yield Segment(text if control else shown(text, lines=True), style, control)

    class Hook(RenderHook):
        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Shown(each) for each in renderables]

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    made.push_render_hook(Hook())
    return made
