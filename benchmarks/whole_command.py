"""One large photograph through `nmflowgan synthesize`: seconds, peak resident memory, and the same bytes for any tile.

The photograph is a packaged one, enlarged; 12 and 108 Mpixel are 4000x3000 and 12000x9000.

    python benchmarks/whole_command.py [--width 4000 --height 3000] [--weights sidd-lite] [--tiles 256 512 192]
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

PHOTO = Path(__file__).parents[1] / "photos" / "coffee.png"


def run(clean: Path, noisy: Path, weights: str, tile: int) -> tuple[float, float]:
    """Seconds and peak resident GiB of the whole command."""
    command = [
        sys.executable,
        "-m",
        "nmflowgan_cli",
        "synthesize",
        str(clean),
        "-c",
        "IP",
        "-i",
        "800",
        "-o",
        str(noisy),
    ]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--weights", weights, "--tile", str(tile), "-q"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the command failed with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--weights", default="sidd-lite")
    parser.add_argument("--tiles", type=int, nargs="+", default=[256, 512, 192])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "clean.png"
        enlarged = (
            Image.open(PHOTO).convert("RGB").resize((arguments.width, arguments.height), Image.Resampling.BICUBIC)
        )
        enlarged.save(clean, compress_level=1)
        pixels = arguments.width * arguments.height
        for tile in arguments.tiles:
            noisy = Path(folder) / f"noisy_{tile}.png"
            seconds, peak = run(clean, noisy, arguments.weights, tile)
            digest = hashlib.sha256(noisy.read_bytes()).hexdigest()[:16]
            print(
                f"{pixels / 1e6:.0f} Mpixel, tile {tile}: {seconds:.1f} s, peak {peak:.2f} GiB, sha256 {digest}",
                flush=True,
            )


if __name__ == "__main__":
    main()
