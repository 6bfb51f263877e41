"""Read small pictures with random damage: each is read, or refused by its PictureError, in bounded time and memory.

What is read must have the size that `size` tells, and must come back from a PNG as it was written.

python scripts/mutants.py --each 2000 --seed 0 --json mutants.json
"""

import argparse
import io
import json
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import read, size, write

MEMORY = 8 * 2**30
"""Bytes of address space of a worker."""
SECONDS = 20
"""For one mutant; a worker that takes longer is killed."""
NUMBERS = [0, 1, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1]
"""That decoders trip over."""


def seeds() -> dict[str, bytes]:
    """A small file of each kind, with everything that may stand beside its pixels."""
    y, x = np.mgrid[:24, :32]
    rgb = np.stack([x * 8, y * 10, 255 - x * 4 - y * 4], 2).astype(np.uint8)
    picture, exif = Image.fromarray(rgb), Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "Maker", 72.0
    beside = {"exif": exif.tobytes(), "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    clear = picture.copy()
    clear.putalpha(Image.fromarray((x * 8).astype(np.uint8)))
    return {
        "png rgb": _file(picture, "PNG", **beside, dpi=(72, 72)),
        "png palette": _file(picture.quantize(16), "PNG", transparency=3),
        "jpeg": _file(picture, "JPEG", **beside, comment=b"words"),
        "jpeg progressive": _file(picture, "JPEG", progressive=True, exif=beside["exif"]),
        "webp lossless": _file(clear, "WEBP", lossless=True, **beside),
        "webp lossy": _file(picture, "WEBP", **beside),
        "tiff raw": _file(clear, "TIFF", tiffinfo={274: 6, 271: "Maker"}, icc_profile=beside["icc_profile"]),
        "tiff lzw": _file(picture, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
        "tiff jpeg": _file(picture, "TIFF", compression="jpeg"),
        "bmp": _file(picture.quantize(16), "BMP"),
    }


def _file(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one to four changes."""
    for _ in range(int(rng.integers(1, 5))):
        content = _changed(content, rng) or content
    return content


def _changed(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with a bit turned, a number or bytes at random, a span left out or doubled, or the end cut off."""
    head = rng.random() < 0.5  # where the numbers stand that decoders trust
    place, span = int(rng.integers(min(len(content), 200) if head else len(content))), int(rng.integers(1, 17))
    kind = rng.choice(["bit", "number", "bytes", "out", "double", "cut"], p=[0.3, 0.25, 0.15, 0.1, 0.15, 0.05])
    if kind == "out":
        return content[:place] + content[place + span :]
    if kind == "double":
        return content[: place + span] + content[place:]
    if kind == "cut":
        return content[: max(place, 12)]
    new = {
        "bit": bytes([content[place] ^ 1 << int(rng.integers(8))]),
        "number": struct.pack(rng.choice(["<I", ">I"]), int(rng.choice(NUMBERS)))[: int(rng.choice([1, 2, 4]))],
        "bytes": rng.bytes(span),
    }[str(kind)]
    return content[:place] + new + content[place + len(new) :]


def outcome(path: Path) -> str:
    """How reading the file ends, in a word or two; anything else than a PictureError is raised."""
    try:
        picture = read(path)
    except PictureError as error:
        words = {"is not supported": "not supported", "is beyond a limit": "beyond a limit", "is damaged": "damaged"}
        return next((word for text, word in words.items() if text in str(error)), str(error))
    if size(path) != picture.rgb.shape[:2]:
        return f"size {size(path)} of {picture.rgb.shape}"
    write(path.with_suffix(".png"), picture)
    again = read(path.with_suffix(".png"))
    return "read" if np.array_equal(again.rgb, picture.rgb) else "changed by writing"


def work(kind: str, first: int, last: int, seed: int) -> None:
    """Read mutants `first` to `last`, a line of JSON each on stdout; the worker's memory at the end."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    content, number = seeds()[kind], list(seeds()).index(kind)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, last):
            path = Path(folder, "mutant")
            path.write_bytes(mutant(content, np.random.default_rng((seed, number, index))))
            print(json.dumps({"begun": index}), flush=True)
            signal.alarm(SECONDS)
            try:
                found = outcome(path)
            except Exception as error:  # noqa: BLE001 - these are what is looked for
                found = f"{type(error).__name__}: {error}"
            signal.alarm(0)
            print(json.dumps({"index": index, "outcome": found}), flush=True)
    print(json.dumps({"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)


def watched(kind: str, each: int, seed: int) -> tuple[Counter[str], int, str]:
    """The outcomes of a kind, the memory of its largest worker in bytes, and what came on stderr."""
    outcomes: Counter[str] = Counter()
    first, memory, noise = 0, 0, ""
    while first < each:
        command = [sys.executable, __file__, "--worker", kind, str(first), str(each), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        outcomes.update(line["outcome"] for line in lines if "outcome" in line)
        memory = max([memory, *(line["memory"] for line in lines if "memory" in line)])
        noise += done.stderr
        if done.returncode == 0:
            break
        stopped = next(line["begun"] for line in reversed(lines) if "begun" in line)
        outcomes[f"mutant {stopped} ended the process with {done.returncode}"] += 1
        first = stopped + 1
    return outcomes, memory, noise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=2000, help="mutants of each kind (default: 2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the counts")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, *numbers = options.worker
        work(kind, *map(int, numbers))
        return
    counts = {}
    for kind in seeds():
        outcomes, memory, noise = watched(kind, options.each, options.seed)
        counts[kind] = {**dict(outcomes.most_common()), "memory_MiB": memory >> 20, "stderr_lines": noise.count("\n")}
        print(f"{kind}: " + ", ".join(f"{name}: {count}" for name, count in counts[kind].items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
