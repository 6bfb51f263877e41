"""Kills: processes of every command end at random moments; afterwards nothing is lost, wrong or left over.

A trial runs one command in a folder of its own until it ends, and kills it on the way. After each kill and after the
end the folder is compared, without the tool's help, with what an undisturbed run has left.
"""

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from scripts.faults.items import done, items
from scripts.faults.processes import Ended, Launcher, Shot, environment
from scripts.faults.results import Results, table
from scripts.faults.targets import OUT, TARGETS, Target, inputs

KILLS_OF_A_TRIAL = 4
"""Before the run that is left alone."""
COLD = 0.1
"""Share of the runs that start without a fork server."""
AS_ONE = ("SIGKILL", "SIGTERM", "SIGINT", "SIGINT SIGINT", "SIGTERM SIGKILL")
INTERRUPTED = 130
LOCK = ".nmflowgan.lock"
"""The lock of a run that was cut off says nothing of the outputs; the next run takes it over."""
FAULTS = ("lost", "wrong", "leftover", "false verify", "exit", "traceback")
NOISE = ("Traceback", "terminate called", "Fatal Python", "Exception ignored")
"""What no process of the tool may print."""


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run of a target leaves, and how long it takes."""

    items: dict[str, str]
    done: dict[str, str]
    seconds: dict[bool, float]
    """By whether it starts cold."""


@dataclass
class Trial:
    """One folder, from an empty one to a finished one."""

    target: Target
    reference: Reference
    folder: Path
    launcher: Launcher
    rng: np.random.Generator
    faults: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        finished = False
        while self.kills.total() < KILLS_OF_A_TRIAL and not finished:
            before = done(self.folder / OUT)
            finished = self._killed()
            self._look(before)
        if finished:
            return
        ended = self.launcher.run(self.target.arguments, self.folder)
        self._scan(ended)
        self._refuse_failure(ended)
        self._compare()

    def _killed(self) -> bool:
        """One run that is killed; whether it had ended before."""
        cold = bool(self.rng.random() < COLD)
        shot, name = self._shot(cold)
        ended = self.launcher.run(self.target.arguments, self.folder, shot, cold=cold)
        self.notes.append(f"{name} at {shot.at:.3f} s{' (cold)' if cold else ''}: {ended.code}")
        self._scan(ended)
        if not ended.hit or ended.code == 0 or self._is_refusal(ended):
            self._refuse_failure(ended)
            self._compare()
            return True
        self.kills[name] += 1
        wanted = {-signal.SIGKILL} if shot.signal == signal.SIGKILL else {INTERRUPTED}
        if ended.code not in wanted | ({-shot.second} if shot.second else set()):
            self._fault("exit", f"{name}: {ended.code}: {ended.stderr[-300:]}")
        return False

    def _is_refusal(self, ended: Ended) -> bool:
        return bool(self.target.refusal) and self.target.refusal in ended.stderr

    def _refuse_failure(self, ended: Ended) -> None:
        if ended.code and not self._is_refusal(ended):
            self._fault("exit", f"ended by itself with {ended.code}: {ended.stderr[-300:]}")

    def _shot(self, cold: bool) -> tuple[Shot, str]:
        name = str(self.rng.choice(AS_ONE))
        first, second = [*(getattr(signal, one) for one in name.split()), 0][:2]
        start = 0.06 if cold else 0.02  # before that it is Python that is killed, not the tool
        at = start + float(self.rng.random()) * self.reference.seconds[cold]
        return Shot(int(first), at, int(second), float(self.rng.random()) * 0.1), name

    def _scan(self, ended: Ended) -> None:
        if any(word in ended.stderr for word in NOISE) and "nmflowgan_cli" in ended.stderr:
            self._fault("traceback", ended.stderr[-1500:])

    def _look(self, before: dict[str, str]) -> None:
        """After a kill: what is there is whole, what was recorded is there, and `verify` knows what is missing."""
        found, expected = items(self.folder / OUT), self.reference.items
        self._refuse_torn(found)
        now = done(self.folder / OUT)
        if gone := before.keys() - now.keys():
            self._fault("lost", f"records of {sorted(gone)[:5]}")
        if self.target.verified and (self.folder / OUT).exists():
            ended = self.launcher.run(("verify", OUT, "-q"), self.folder)
            self._scan(ended)
            other = sorted(name for name, _ in found.items() ^ expected.items() if not name.endswith(LOCK))
            if ended.code == 0 and other:
                self._fault("false verify", f"calls {other[:5]} all right")
            if ended.code not in (0, 2, 3):
                self._fault("exit", f"verify: {ended.code}: {ended.stderr[-300:]}")

    def _refuse_torn(self, found: dict[str, str]) -> None:
        for name, digest in found.items():
            file = Path(name.partition("#")[0])  # "#" and a key follow for a value in it
            stays = not any(file.match(pattern) for pattern in self.target.growing)
            if stays and self.reference.items.get(name, digest) != digest:
                self._fault("wrong", f"{name} is there and differs")

    def _compare(self) -> None:
        """After the end: nothing but what an undisturbed run leaves."""
        found, expected = items(self.folder / OUT), self.reference.items
        if missing := expected.keys() - found.keys():
            self._fault("lost", f"not there: {sorted(missing)[:5]}")
        if extra := found.keys() - expected.keys():
            self._fault("leftover", f"{sorted(extra)[:5]}")
        if wrong := [name for name in found.keys() & expected.keys() if found[name] != expected[name]]:
            self._fault("wrong", f"{sorted(wrong)[:5]} differ")
        if done(self.folder / OUT) != self.reference.done:
            self._fault("wrong", "the journal differs")
        if self.target.verified:
            ended = self.launcher.run(("verify", OUT, "-q"), self.folder)
            if ended.code:
                self._fault("wrong", f"verify at the end: {ended.code}: {ended.stdout[-300:]}{ended.stderr[-300:]}")

    def _fault(self, kind: str, note: str) -> None:
        self.faults[kind] += 1
        self.notes.append(f"{kind.upper()}: {note}")


@dataclass
class Campaign:
    """All trials, a process of the tool at a time in each of `jobs` threads."""

    results: Results
    work: Path
    each: int
    jobs: int
    deadline: float

    def run(self, targets: Sequence[Target]) -> None:
        self.launchers: SimpleQueue[Launcher] = SimpleQueue()
        os.environ.update(environment(NMFLOWGAN_CACHE=str(self.work / "cache")))
        launchers = [Launcher(self.work / f"streams{number}") for number in range(self.jobs)]
        self.base = inputs(self.work / "inputs", launchers[0])
        for launcher in launchers:
            self.launchers.put(launcher)
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self._target, targets))
        for launcher in launchers:
            launcher.close()

    def _target(self, target: Target) -> None:
        launcher, begun = self.launchers.get(), time.monotonic()
        try:
            rows = [row for row in self.results.rows("kill") if row["target"] == target.name]
            kills, number = sum(sum(row["kills"].values()) for row in rows), len(rows)
            reference = None
            while kills < self.each and time.monotonic() < self.deadline:
                reference = reference or self._reference(target, launcher)
                kills += self._trial(target, reference, launcher, number)
                number += 1
            print(f"{target.name}: {kills} kills, {number} trials, {time.monotonic() - begun:.0f} s", flush=True)
        finally:
            self.launchers.put(launcher)

    def _folder(self, target: Target, name: str) -> Path:
        folder = self.work / target.name.replace(" ", "-").replace(",", "") / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.base, folder)
        target.prepare(folder)
        return folder

    def _reference(self, target: Target, launcher: Launcher) -> Reference:
        seconds, folder = {}, Path()
        for cold in (True, False):
            folder = self._folder(target, "undisturbed")
            ended = launcher.run(target.arguments, folder, cold=cold)
            seconds[cold] = ended.seconds
            if ended.code:
                raise SystemExit(f"{target.name} ends with {ended.code}, undisturbed: {ended.stderr}")
        return Reference(items(folder / OUT), done(folder / OUT), seconds)

    def _trial(self, target: Target, reference: Reference, launcher: Launcher, number: int) -> int:
        folder = self._folder(target, f"{number:04d}")
        rng = np.random.default_rng((self.results.seed, number, *target.name.encode()))
        trial = Trial(target, reference, folder, launcher, rng)
        trial.run()
        self.results.add(
            "kill",
            [
                {
                    "target": target.name,
                    "number": number,
                    "kills": trial.kills,
                    "faults": trial.faults,
                    "notes": trial.notes,
                }
            ],
        )
        if trial.faults:
            print(f"{target.name}, trial {number} in {folder}:", *trial.notes, sep="\n  ", flush=True)
        else:
            shutil.rmtree(folder)
        return trial.kills.total()


def shown(results: Results) -> str:
    """The table of kills, a row for each target."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in results.rows("kill"):
        rows.setdefault(row["target"], []).append(row)
    names = [target.name for target in TARGETS if target.name in rows]
    return table(("command", "kills", "runs to the end", *FAULTS), (_line(name, rows[name]) for name in names))


def _line(name: str, rows: Sequence[dict[str, Any]]) -> Iterator[object]:
    yield from (f"`{name.split()[0]}`" + name[len(name.split()[0]) :], sum(sum(row["kills"].values()) for row in rows))
    yield len(rows)
    yield from (sum(row["faults"].get(kind, 0) for row in rows) for kind in FAULTS)
