"""Start-up: wall time of `nmflowgan --help` and `--version`, and that torch stays out.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

REPEATS = 10


def wall(*arguments: str) -> float:
    """Seconds of one run of the command."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nmflowgan_cli", *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    for argument in ("--help", "--version"):
        seconds = [wall(argument) for _ in range(REPEATS)]
        print(f"{argument}: median {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s of {REPEATS}")
    program = "import sys, nmflowgan_cli.cli; print('torch' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    print(f"torch imported with the command line: {loaded}")


if __name__ == "__main__":
    main()
