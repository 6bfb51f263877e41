"""Derive nmflowgan_cli/profiles/camera_table.json from a user's own copy of darktable's noiseprofiles.json.

That file (GPL-3.0-or-later, https://www.darktable.org; Debian: /usr/share/darktable/noiseprofiles.json) has for each
camera and ISO variance = a x + b of red, green, blue, and is no part of this project. For each camera a few numbers are
fitted to all its entries: a of green is proportional to ISO, down to the ISO below which the camera only darkens its
pictures; b is what noise after the gain (constant) and before it (square of ISO) leave. SCALE brings both to raw values
(scripts/table_scale.py). Red and blue exceed green by the light's white balance alone, and are used for that.

    python scripts/derive_camera_table.py noiseprofiles.json -o nmflowgan_cli/profiles/camera_table.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE = 14.8
"""Raw variance / the file's, of green: measured by scripts/table_scale.py in daylight; SIDD has 13.9 to 15.0."""
BALANCE_OFFSET = 0.18
"""a of red (blue) / a of green - the gain of red (blue): the same measurement."""
PLAUSIBLE_GAINS = 1.2, 3.2
READ_ELECTRONS = 1.2, 40.0
"""Lowest and highest plausible read noise; a fit to noise of strong signals may say anything below."""
TYPICAL_READ = 3.0
"""Electrons where the file says nothing of it (b is negative or missing)."""
FLAT = 0.25
"""Exponent of shot variance over ISO below which the ISO changes the rendering only."""
GOOD, FAIR = 0.12, 0.25
"""Largest residuals of the two qualities."""
LEAST = 3
"""Entries below which a fit says nothing of itself."""
SOURCE = (
    "Derived by scripts/derive_camera_table.py from data/noiseprofiles.json of darktable {version} (GPL-3.0-or-later, "
    "https://www.darktable.org), which is not part of this project. saturation: electrons at white and ISO 100, of raw "
    "values; read: noise before the gain in electrons, and after it in electrons of ISO 100; isos: of the file, the "
    "noise being that of `base` below it; white_balance: of the light that was measured in; residual: 1.48 times the "
    "median of |ln(a / fit)|."
)


def entries(model: dict[str, Any]) -> NDArray[np.float64]:
    """Rows (ISO, a of RGB, b of RGB) by ISO, without those that darktable skips unless too few are left."""
    chosen = [entry for entry in model["profiles"] if not entry.get("skip")]
    chosen = chosen if len(chosen) >= LEAST else model["profiles"]
    chosen = {entry["iso"]: entry for entry in chosen}.values()  # some are there twice
    rows = [[entry["iso"], *entry["a"], *entry["b"]] for entry in chosen if entry["a"][1] > 0 and entry["iso"] > 0]
    return np.array(sorted(rows), dtype=np.float64).reshape(-1, 7)


def base_iso(iso: NDArray[np.float64], shot: NDArray[np.float64]) -> int:
    """The lowest ISO from which shot noise grows; lower ones are the same exposure, darkened."""
    growth = np.diff(np.log(shot)) / np.diff(np.log(iso))
    flat = growth < FLAT
    return int(iso[0 if not len(flat) or not flat[0] else np.argmin(flat) if not flat.all() else len(flat)])


def read_noise(iso: NDArray[np.float64], electrons_squared: NDArray[np.float64]) -> tuple[float, float] | None:
    """(before, after) the gain in electrons of ISO 100: variance = before^2 + (after 100 / ISO)^2, robustly.

    None where fewer than LEAST of the entries are positive, or less than half of them.
    """
    known = electrons_squared > 0
    if known.sum() < LEAST or known.mean() < 0.5:
        return None
    variance, design = electrons_squared[known], np.stack([np.ones(known.sum()), (100 / iso[known]) ** 2], 1)
    best = min(
        ((before, after) for before in np.geomspace(0.5, 60, 40) for after in (0.0, *np.geomspace(0.5, 200, 40))),
        key=lambda pair: np.abs(np.log(design @ np.square(pair) / variance)).sum(),
    )
    return float(best[0]), float(best[1])


def white_balance(rows: NDArray[np.float64]) -> list[float] | None:
    """Gains of red and blue of the light; None where the entries do not tell."""
    gains = [float(np.median(rows[:, channel] / rows[:, 2])) - BALANCE_OFFSET for channel in (1, 3)]
    low, high = PLAUSIBLE_GAINS
    return [round(gain, 2) for gain in gains] if all(low <= gain <= high for gain in gains) else None


def derived(maker: str, model: dict[str, Any]) -> dict[str, Any] | None:
    """A camera's line of the table; None where its entries give no shot noise at all."""
    rows = entries(model)
    if not len(rows):
        return None
    iso, shot = rows[:, 0], rows[:, 2] * SCALE
    base = base_iso(iso, shot)
    above = iso >= base
    iso, shot, rows = iso[above], shot[above], rows[above]
    per_iso = float(np.exp(np.median(np.log(shot / iso))))
    residuals = np.log(shot / iso / per_iso)
    electrons = np.median(rows[:, 4:], 1) * SCALE / (per_iso * iso) ** 2
    read = read_noise(iso, electrons)
    low, high = READ_ELECTRONS
    before, after = read or (TYPICAL_READ, 0.0)
    residual = 1.48 * float(np.median(np.abs(residuals)))
    every = entries(model)[:, 0]
    return {
        "maker": maker,
        "model": model["model"],
        "isos": [int(every.min()), int(every.max())],
        "base": base,
        "saturation": round(0.01 / per_iso),
        "read": [round(min(max(before, low), high), 2), round(min(after, high * 5), 2)],
        "white_balance": white_balance(rows),
        "residual": round(residual, 3),
        "quality": quality(residual, len(iso), read_known=read is not None),
    }


def quality(residual: float, number: int, *, read_known: bool) -> str:
    """ "good", "fair" or "poor"; read noise that is not known, or few entries, cost a step."""
    if number < LEAST or residual > FAIR:
        return "poor"
    return "good" if residual <= GOOD and read_known else "fair"


def table(document: dict[str, Any], version: str) -> dict[str, Any]:
    """The whole table, by maker and model."""
    lines = [derived(one["maker"], model) for one in document["noiseprofiles"] for model in one["models"]]
    found = sorted((line for line in lines if line), key=lambda line: (line["maker"].lower(), line["model"].lower()))
    return {"source": SOURCE.format(version=version), "scale": SCALE, "cameras": found}


def written(document: dict[str, Any]) -> str:
    """The table as JSON, a line a camera."""
    head = "".join(f'"{key}": {json.dumps(document[key])},\n' for key in ("source", "scale"))
    lines = ",\n".join(json.dumps(line, ensure_ascii=False) for line in document["cameras"])
    return f'{{\n{head}"cameras": [\n{lines}\n]\n}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--darktable-version", default="4.2.1")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    document = table(json.loads(arguments.file.read_text(encoding="utf-8")), arguments.darktable_version)
    arguments.output.write_text(written(document), encoding="utf-8")
    grades = [line["quality"] for line in document["cameras"]]
    print(f"{len(grades)} cameras:", ", ".join(f"{grade} {grades.count(grade)}" for grade in ("good", "fair", "poor")))


if __name__ == "__main__":
    main()
