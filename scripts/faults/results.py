"""Results as JSON lines, which later runs add to, and the tables made of them."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from scripts.faults.processes import ROOT

Row = Mapping[str, Any]


def commit() -> str:
    """Of the code that is tried: 12 digits, and "+" where files differ from it."""
    described = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    done = subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


@dataclass
class Results:
    """A file of results; those of the same code, kind, subject, seed and number are not tried again."""

    path: Path
    seed: int
    commit: str = ""
    """Of the code that was tried; the present one by default."""

    def __post_init__(self) -> None:
        self.commit, self._lock = self.commit or commit(), Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def rows(self, kind: str) -> Iterator[dict[str, Any]]:
        """The results of a kind, of this code and seed."""
        if not self.path.exists():
            return
        for line in self.path.read_text().splitlines():
            row = json.loads(line)
            if (row["kind"], row["commit"], row["seed"]) == (kind, self.commit, self.seed):
                yield row

    def add(self, kind: str, rows: Iterable[Row]) -> None:
        same = {"kind": kind, "commit": self.commit, "seed": self.seed}
        lines = "".join(json.dumps({**same, **row}) + "\n" for row in rows)
        with self._lock, self.path.open("a") as file:
            file.write(lines)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; the first column is text, the others are numbers."""
    lines = [list(head), ["---", *["--:"] * (len(head) - 1)], *(list(map(str, row)) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
