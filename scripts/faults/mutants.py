"""Mutants: damaged files of every format go through the command that reads them, in bounded time and memory.

Workers call the application as the command line does, many times in one process, and are started anew after each
that a mutant ends.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.faults.changes import OUTSIDE
from scripts.faults.formats import FORMATS, Bases, Format
from scripts.faults.processes import ROOT, environment
from scripts.faults.results import Results, table

MEMORY = 3 * 2**30
"""Bytes of address space that a worker may take beyond what it has when it begins."""
SECONDS = 20
AT_ONCE = 250
"""Mutants of a worker."""
GOOD = ("read", "named error")
BAD = ("traceback", "crash", "hang", "over memory", "executed", "outside", "control characters", "unnamed")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NAMED_CODES = (1, 2, 3, 4, 5)
WARNING = re.compile(r":\d+: \w*Warning: ")
"""A warning of Python's or a library's, as it reaches stderr raw."""


def mutate(form: Format, base: Path, folder: Path, index: int, seed: int) -> tuple[str, ...]:
    """Make the folder of a mutant; returns the command that reads it."""
    rng = np.random.default_rng((seed, index, *form.name.encode()))
    shutil.copytree(base, folder)
    content = form.change((base / form.file).read_bytes(), rng)
    (folder / form.file).write_bytes(content)
    return form.commands[int(rng.integers(len(form.commands)))]


def outcome(code: int, out: str, err: str, folder: Path) -> tuple[str, str]:
    """The class of how a command ended, and a line about it."""
    lines = err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    last = lines[-1][:300] if lines else ""
    if any(folder.rglob("executed")):
        return "executed", last
    if Path(OUTSIDE).exists() or any(path.name != folder.name for path in folder.parent.iterdir()):
        return "outside", last
    if "Traceback" in err:
        return "traceback", _where(err) or last
    if found := CONTROL.search(err):  # names on stdout are exact where it is no terminal
        return "control characters", repr(found[0])
    if "out of memory" in err:
        return "over memory", last
    if code == 0:
        return ("unnamed", last) if WARNING.search(err) else ("read", "")
    named = (errors and (len(errors) == 1 or code == 3)) or (code == 3 and out)
    if code in NAMED_CODES and named and not WARNING.search(err):
        return "named error", last
    return "unnamed", f"exit {code}: {err[-300:]}"


def _where(err: str) -> str:
    """The exception, and the last place in the tool that it came through."""
    places = re.findall(r'nmflowgan_cli/([\w/]+\.py)", line (\d+)', err)
    return f"{err.strip().splitlines()[-1][:200]} at {':'.join(places[-1]) if places else '?'}"


def work(form: Format, bases: Path, folder: Path, first: int, last: int, seed: int) -> None:
    """Read mutants `first` to `last`: a line of JSON on stdout when one begins, and one when it ends."""
    from nmflowgan_cli.checkpoints import hub
    from nmflowgan_cli.cli import app

    report = os.dup(1)
    streams = [os.open(folder / name, os.O_RDWR | os.O_CREAT) for name in ("stdout", "stderr")]
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for index in range(first, last):
        place = folder / "own" / str(index)
        command = mutate(form, bases / form.base, place, index, seed)
        os.chdir(place)
        if form.registry:
            hub.__file__ = str(place / "code" / "checkpoints" / "hub.py")
            hub.registry.cache_clear()
        if index == first:
            _limit_memory()
        _tell(report, {"begun": index, "command": command})
        signal.alarm(SECONDS)
        code = _called(app, command)
        signal.alarm(0)
        out, err = (_taken(stream) for stream in streams)
        kind, line = outcome(code, out, err, place)
        _tell(report, {"index": index, "outcome": kind, "line": line})
        os.chdir(folder)
        shutil.rmtree(folder / "own")
    _tell(report, {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def _called(app: Any, command: Sequence[str]) -> int:
    sys.argv = ["nmflowgan", *command]
    code = 0
    try:
        app(list(command), prog_name="nmflowgan")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - Python itself would print it
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    return code


def _taken(stream: int) -> str:
    """What was written to a file since it was taken last."""
    text = os.pread(stream, 10**7, 0).decode(errors="replace")
    os.ftruncate(stream, 0)
    os.lseek(stream, 0, os.SEEK_SET)
    return text


def _tell(report: int, line: dict[str, Any]) -> None:
    os.write(report, json.dumps(line).encode() + b"\n")


@dataclass
class Campaign:
    """All formats, in chunks, with `jobs` workers at a time."""

    results: Results
    work: Path
    total: int
    """Mutants over all formats."""
    jobs: int
    deadline: float

    def run(self, formats: Sequence[Format]) -> None:
        os.environ.update(environment(NMFLOWGAN_CACHE=str(self.work / "cache")))
        Bases(self.work / "bases")
        each = -(-self.total // len(FORMATS))
        chunks = [(form, first, min(first + AT_ONCE, each)) for first in range(0, each, AT_ONCE) for form in formats]
        known = {(row["format"], row["first"], row["last"]) for row in self.results.rows("mutants")}
        begun = time.monotonic()
        with ThreadPoolExecutor(self.jobs) as pool:
            done = sum(pool.map(self._chunk, [one for one in chunks if (one[0].name, *one[1:]) not in known]))
        seconds = time.monotonic() - begun
        print(f"{done} mutants in {seconds:.0f} s, {done / seconds:.0f} a second", flush=True)

    def _chunk(self, chunk: tuple[Format, int, int]) -> int:
        """The number of mutants that were read; 0 where there is no time left."""
        form, first, last = chunk
        if time.monotonic() > self.deadline:
            return 0
        begun, outcomes, memory, faults = time.monotonic(), Counter[str](), 0, []
        for line in self._lines(form, first, last):
            memory = max(memory, line.get("memory", 0))
            if "outcome" not in line:
                continue
            outcomes[line["outcome"]] += 1
            if line["outcome"] in BAD:
                faults.append(line)
                print(f"{form.name} {line['index']}: {line['outcome']}: {line['line']}", flush=True)
        row = {"format": form.name, "first": first, "last": last, "outcomes": outcomes, "memory": memory}
        self.results.add("mutants", [{**row, "seconds": round(time.monotonic() - begun, 1), "faults": faults}])
        return outcomes.total()

    def _lines(self, form: Format, first: int, last: int) -> Iterator[dict[str, Any]]:
        """What the workers say; for a mutant that ended its worker, how."""
        while first < last:
            folder = self.work / f"{form.name} {first}"
            folder.mkdir(exist_ok=True)
            given = ("worker", form.name, self.work / "bases", folder, first, last, self.results.seed)
            command = [sys.executable, "-m", "scripts.faults.mutants", *map(str, given[1:])]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment(), check=False)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            yield from lines
            said = (folder / "stderr").read_text(errors="replace") if (folder / "stderr").exists() else ""
            shutil.rmtree(folder)
            if done.returncode == 0:
                return
            if not any("begun" in line for line in lines):
                raise SystemExit(f"a worker of {form.name} cannot begin: {done.stderr}{said}")
            stopped = next(line for line in reversed(lines) if "begun" in line)
            if not any(line.get("index") == stopped["begun"] for line in lines):
                kind = "hang" if done.returncode == -signal.SIGALRM else "crash"
                yield {"index": stopped["begun"], "outcome": kind, "line": f"the process ended with {done.returncode}"}
            first = stopped["begun"] + 1


def show(name: str, index: int, seed: int, folder: Path) -> None:
    """Make the folder of one mutant, and print the command that reads it."""
    form = next(form for form in FORMATS if form.name == name)
    os.environ.update(environment())
    Bases(folder / "bases")
    command = mutate(form, folder / "bases" / form.base, folder / "mutant", index, seed)
    print(f"cd {folder / 'mutant'}; {subprocess.list2cmdline([sys.executable, '-m', 'nmflowgan_cli', *command])}")


def shown(results: Results) -> str:
    """The table of mutants, a row for each format."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in results.rows("mutants"):
        rows.setdefault(row["format"], []).append(row)
    names = [form.name for form in FORMATS if form.name in rows]
    lines = [_line(name, rows[name]) for name in names]
    sums = ["all", *(sum(column) for column in zip(*(line[1:-1] for line in lines), strict=True))] if lines else []
    most = max((line[-1] for line in lines), default=0)
    return table(("format", "mutants", *GOOD, *BAD, "MiB"), [*lines, [*sums, most]])


def _line(name: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
    counts = sum((Counter(row["outcomes"]) for row in rows), Counter[str]())
    return [name, counts.total(), *(counts[kind] for kind in (*GOOD, *BAD)), max(row["memory"] for row in rows) >> 20]


if __name__ == "__main__":
    name, bases, folder, *numbers = sys.argv[1:]
    work(next(form for form in FORMATS if form.name == name), Path(bases), Path(folder), *map(int, numbers))
