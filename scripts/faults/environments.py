"""Environments: one small job in hostile places; it is done as ever, or fails with one line and a named exit code."""

import os
import re
import resource
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.faults.items import items
from scripts.faults.processes import COMMAND, environment
from scripts.faults.results import Results, table
from scripts.faults.targets import picture

SECONDS = 120
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
PRELUDE = f"""
nm() {{ {shlex.join(COMMAND)} "$@"; }}
job() {{ nm synthesize clean -c IP -i 800 -w isp --device cpu -o out "$@"; }}
weights() {{ nm synthesize clean -c IP -i 800 --device cpu -o out "$@"; }}
ro() {{ mkdir -p "$1" && mount -t tmpfs -o ro tmpfs "$1"; }}
"""


@dataclass(frozen=True)
class Case:
    """A script for bash and how it has to end. It runs in a folder of its own that holds clean/a.png and clean/b.png.

    `job` is `synthesize` with the simulator, `weights` with the packaged weights; both write to out/.
    """

    name: str
    script: str
    codes: tuple[int, ...] = (0,)
    says: str = ""
    """What stderr holds."""
    same: bool = True
    """With exit code 0, out/ holds what it always does."""
    mounts: bool = False
    """The script mounts file systems of its own."""


CASES: Sequence[Case] = (
    Case("HOME is not set", "env -u HOME " + shlex.join([*COMMAND, "weights", "path"]) + "; unset HOME; job"),
    Case("HOME does not exist", "HOME=/nowhere weights", same=False),
    Case("HOME is read-only", "ro home; HOME=$PWD/home weights", same=False, mounts=True),
    Case("the cache is read-only", "ro cache; NMFLOWGAN_CACHE=$PWD/cache weights", same=False, mounts=True),
    Case("the cache is a file", "touch cache; NMFLOWGAN_CACHE=$PWD/cache weights", (0, 4), same=False),
    Case("XDG_CACHE_HOME is a file", "touch x; HOME=$PWD XDG_CACHE_HOME=$PWD/x weights", (0, 4), same=False),
    Case(
        "the current folder is read-only",
        'here=$PWD; ro disk; cd disk; nm synthesize "$here/clean" -c IP -i 800 -w isp -o "$here/out" --device cpu',
        mounts=True,
    ),
    Case("the output folder is read-only", "ro out; job", (1,), "error: cannot", mounts=True),
    Case(
        "the disk is full",
        "mkdir out; mount -t tmpfs -o size=8k tmpfs out; job",
        (1,),
        "make room",
        mounts=True,
    ),
    Case("the output folder is a file", "touch out; job", (1, 2), "error: "),
    Case("the output folder is a link", "mkdir real; ln -s real out; job"),
    Case("TMPDIR does not exist", "TMPDIR=/nowhere job"),
    Case("LANG=C, names beyond ASCII", "mv clean/a.png clean/über.png; LANG=C LC_ALL=C job", same=False),
    Case(
        "PYTHONIOENCODING=ascii, names beyond ASCII",
        "mv clean/a.png clean/über.png; export PYTHONIOENCODING=ascii; job; r=$?; nm verify out && exit $r",
        same=False,
    ),
    Case("names that are not UTF-8", "mv clean/a.png $'clean/\\xff\\xfe.png'; job && nm verify out", same=False),
    Case("stdin is closed", "job <&-"),
    Case("a list from a closed stdin", "nm synthesize - -c IP -i 800 -w isp -o out <&-", (2,), "error: "),
    Case("stdout is closed", "job >&-", (0, 1)),
    Case("stderr is closed", "job 2>&-"),
    Case("stdout is full", "job > /dev/full", (1,), "error: cannot write the results to standard output"),
    Case("stderr is full", "job 2> /dev/full", (0, 1)),
    Case("stdout is closed early", "(job --json; exit $?) | true; exit ${PIPESTATUS[0]}", (0, 141)),
    Case("a terminal that is dumb", "TERM=dumb script -qec 'bash job.sh' /dev/null"),
    Case("a terminal without colours", "NO_COLOR=1 TERM=xterm script -qec 'bash job.sh' /dev/null"),
    Case("COLUMNS=1", "COLUMNS=1 job && COLUMNS=1 nm synthesize --help > /dev/null"),
    Case("umask 077", 'umask 077; job; r=$?; test -z "$(find out -type f -perm /077)" && exit $r'),
    Case("PYTHONOPTIMIZE=2", "PYTHONOPTIMIZE=2 job && PYTHONOPTIMIZE=2 nm --help > /dev/null"),
    Case("PYTHONWARNINGS=error", "PYTHONWARNINGS=error job"),
    Case("a name with a newline", "cp clean/a.png $'clean/n\\new.png'; job && nm verify out", same=False),
    Case("a name with an escape", "cp clean/a.png $'clean/\\e[31mred.png'; job && nm verify out", same=False),
    Case(
        "a broken picture with an escape in its name",
        "echo no > $'clean/\\e[31mred\\a.png'; job; r=$?; nm verify out; exit $r",
        (3,),
        "error: ",
        same=False,
    ),
    Case("a name of 255 bytes", 'cp clean/a.png "clean/$(printf "%0251d" 0).png"; job && nm verify out', same=False),
    Case("a name that begins with a dash", "cp clean/a.png clean/-o.png; job && nm verify out", same=False),
    Case("a FIFO among the inputs", "mkfifo clean/f.png; job", (0, 3), same=False),
    Case("a FIFO as input", "mkfifo f.png; nm synthesize f.png -c IP -i 800 -w isp -o out", (2, 3), "error: "),
    Case("a FIFO as weights", "mkfifo w.safetensors; nm weights info w.safetensors", (4,), "error: "),
    Case("a FIFO as manifest", "mkfifo m.csv; nm evaluate m.csv -w isp", (2,), "error: "),
    Case("a FIFO as pairs", "mkfifo m.hdf5; nm evaluate m.hdf5 -w isp", (2,), "error: "),
    Case("a device among the inputs", "ln -s /dev/zero clean/z.png; job", (0, 3), same=False),
    Case("a link to itself among the inputs", "ln -s l.png clean/l.png; job", (0, 3), same=False),
    Case("a link to nothing among the inputs", "ln -s nowhere clean/l.png; job", (0, 3), same=False),
    Case("a link to the folder above it", "ln -s .. clean/up; job"),
    Case("a folder named like a picture", "mkdir clean/d.png; job", (3,), "it is a folder"),
    Case("an input that may not be read", "ln -s /proc/self/mem clean/m.png; job", (0, 3), same=False),
    Case("32 open files", "ulimit -n 32; job", (0, 1, 3)),
    Case("files of 4 KiB at most", "ulimit -f 4; job", (1, 3), "error: "),
    Case("1 GiB of address space", "ulimit -v 1048576; job", (0, 1, 5)),
    Case("256 MiB of address space", "ulimit -v 262144; job", (1, 5), "error: "),
    Case("files from the future", "touch -d 2099-01-01 clean/*; job && nm verify out && job --resume"),
    Case(
        "a manifest from the future",
        "job && touch -d 2099-01-01 out/* && nm verify out && job --resume && nm verify out",
    ),
    Case("OMP_NUM_THREADS=100000", "OMP_NUM_THREADS=100000 job", (0, 1)),
    Case("OMP_NUM_THREADS=0", "OMP_NUM_THREADS=0 job"),
    Case("OMP_NUM_THREADS=many", "OMP_NUM_THREADS=many job"),
    Case(
        "eight cold starts at once",
        "export NMFLOWGAN_CACHE=$PWD/cache; for i in 1 2 3 4 5 6 7 8; do"
        ' nm synthesize clean -c IP -i 800 --device cpu -o many/$i -q & p="$p $!"; done;'
        " r=0; for i in $p; do wait $i || r=$?; done;"
        " for i in 2 3 4 5 6 7 8; do cmp many/1/a.png many/$i/a.png || r=9; done;"
        " nm weights verify > /dev/null || r=$?; exit $r",
        same=False,
    ),
    Case(
        "two runs into one folder",
        "job --repeats 300 -q & while [ ! -e out/.nmflowgan.lock ]; do sleep .05; done;"
        " job --repeats 300 -q --seed 1 --on-exists overwrite; r=$?; wait $!; s=$?; "
        "nm verify out -q || exit 9; test $r$s != 00 && exit $s",
        says="in use by",
        same=False,
    ),
    Case(
        "the folder moves after the run",
        "job -q && mv out elsewhere && nm verify elsewhere && mv elsewhere out",
    ),
    Case("SIGINT, SIGTERM and SIGHUP ignored", "trap '' INT TERM HUP; job"),
)


def tried(case: Case, folder: Path, expected: dict[str, str]) -> dict[str, Any]:
    """The result of a case."""
    for number, name in enumerate("ab"):
        picture(folder / "clean" / f"{name}.png", 40, 48, number)
    script = PRELUDE + case.script
    (folder / "job.sh").write_text(PRELUDE + "job\n")
    command = ["bash", "-c", script]
    if case.mounts:
        command = ["unshare", "-rm", *command]
    begun = time.monotonic()
    env = environment(NMFLOWGAN_CACHE=None, HOME=str(folder / "home"), LC_ALL="C.UTF-8")
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, start_new_session=True
        )
        try:
            code: int | None = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            code = process.wait() and None
    texts = [(folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
    wrong = list(_wrong(case, code, *texts, folder, expected))
    last = (texts[1].strip().splitlines() or [""])[-1][:160]
    return {
        "name": case.name,
        "wanted": " or ".join(map(str, case.codes)) + (f", “{case.says.strip()}”" if case.says else ""),
        "came": "hang" if code is None else str(code),
        "line": last.replace(str(folder) + "/", ""),
        "wrong": wrong,
        "seconds": round(time.monotonic() - begun, 1),
    }


def _wrong(case: Case, code: int | None, out: str, err: str, folder: Path, expected: dict[str, str]) -> Any:
    if code is None:
        yield f"took {SECONDS} s"
    elif code not in case.codes:
        yield f"exit {code}"
    if "Traceback" in err + out or "terminate called" in err:
        yield "traceback"
    if case.says not in err:
        yield "does not say so"
    if "terminal" not in case.name and CONTROL.search(err):  # names on stdout are exact
        yield "control characters"
    if code == 0 and case.same and items(folder / "out") != expected:
        yield "other bytes"
    if code in (1, 2, 4, 5) and err and not [line for line in err.splitlines() if line.startswith("error: ")]:
        yield "no named error"


@dataclass
class Campaign:
    """All cases, `jobs` at a time."""

    results: Results
    work: Path
    jobs: int

    def run(self, cases: Sequence[Case]) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        usual = self.work / "usual"
        tried(Case("usual", "job"), usual, {})
        expected = items(usual / "out")
        known = {row["name"] for row in self.results.rows("environment")}
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda case: self._case(case, expected), [one for one in cases if one.name not in known]))

    def _case(self, case: Case, expected: dict[str, str]) -> None:
        folder = self.work / re.sub(r"\W+", "-", case.name)
        folder.mkdir(parents=True)
        row = tried(case, folder, expected)
        self.results.add("environment", [row])
        if row["wrong"]:
            print(f"{case.name} in {folder}: {', '.join(row['wrong'])}: {row['came']}: {row['line']}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def shown(results: Results) -> str:
    """The table of environments, a row for each."""
    rows = {row["name"]: row for row in results.rows("environment")}
    lines = [rows[case.name] for case in CASES if case.name in rows]
    head = ("environment", "exit code wanted", "came", "last line on stderr", "fault")
    return table(
        head, ([row["name"], row["wanted"], row["came"], _cell(row["line"]), ", ".join(row["wrong"])] for row in lines)
    )


def _cell(line: str) -> str:
    return f"`{line.replace('|', '/')}`" if line else ""
