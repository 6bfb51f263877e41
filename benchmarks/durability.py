"""Cost of durability: throughput of this version against an earlier one, and the time of a verified resume.

    git worktree add ../before 6678cec
    python benchmarks/durability.py --before ../before
    python benchmarks/durability.py --resume 20000

Both versions run in turn, in processes that have imported everything; ratios are medians over the rounds of
(seconds before) / (seconds now), so 1 and more means no loss. Files are written below --folder, whose disk is measured.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parents[1]
CONDITION = ("-c", "IP", "-i", "400", "--device", "cpu", "-q")
WORKER = """
import sys, time, shlex, io, contextlib
from nmflowgan_cli.cli import app
real = sys.stdout
for line in sys.stdin:
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            app(shlex.split(line), prog_name="nmflowgan")
        except SystemExit as end:
            code = end.code
    print(code, time.perf_counter() - begin, file=real, flush=True)
"""


def pictures(folder: Path, count: int, side: int) -> Path:
    """So many pictures of smooth content with some detail."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:05}.png")
    return folder


class Version:
    """A process that runs the commands of one checkout."""

    def __init__(self, checkout: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
        )

    def seconds(self, *arguments: object) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(subprocess.list2cmdline(map(str, arguments)), file=self.process.stdin, flush=True)
        code, seconds = self.process.stdout.readline().split()
        assert code == "0", (arguments, code)
        return float(seconds)


def compare(before: Path, place: Path, rounds: int, weights: str) -> None:
    small, large = pictures(place / "small", 300, 160), pictures(place / "large", 12, 640)
    commands = {
        "synthesize, 300 pictures of 160 pixels": ("synthesize", small),
        "make-pairs, 1200 patches of 64 pixels": ("make-pairs", large, "--patch", 64),
    }
    versions = {"before": Version(before.resolve()), "now": Version(HERE)}
    for name, command in commands.items():
        times: dict[str, list[float]] = {version: [] for version in versions}
        for number in range(rounds + 1):
            order = list(versions) if number % 2 else list(reversed(versions))
            for version in order:
                os.sync()
                taken = versions[version].seconds(*command, *CONDITION, "--weights", weights, "-o", place / "out")
                shutil.rmtree(place / "out")
                times[version] += [taken] if number else []  # the first one warms up
        ratio = statistics.median(b / n for b, n in zip(*times.values(), strict=True))
        middle = {version: statistics.median(each) for version, each in times.items()}
        fastest = min(times["before"]) / min(times["now"])
        print(
            f"{name}, {weights}: before {middle['before']:.2f} s, now {middle['now']:.2f} s, "
            f"ratio {ratio:.3f}, of the fastest {fastest:.3f}, rounds {rounds}",
            flush=True,
        )


def resume(count: int, place: Path) -> None:
    small = pictures(place / "tiny", count, 16)
    command = [sys.executable, "-m", "nmflowgan_cli", "synthesize", str(small), *CONDITION, "--weights", "isp"]
    for kind in ("first", "resumed", "resumed"):
        begin = time.perf_counter()
        subprocess.run(
            [*command, "-o", str(place / "out"), "--resume"], env={**os.environ, "PYTHONPATH": str(HERE)}, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        print(f"{count} pictures of 16 pixels, {kind}: {time.perf_counter() - begin:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="checkout of the earlier version")
    parser.add_argument("--resume", type=int, metavar="N", help="time a resume of so many pictures")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--weights", default="isp", help="the cheapest model shows the cost best")
    parser.add_argument("--folder", type=Path, help="where to write; by default the temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        if given.before:
            compare(given.before, Path(place), given.rounds, given.weights)
        if given.resume:
            resume(given.resume, Path(place))


if __name__ == "__main__":
    main()
