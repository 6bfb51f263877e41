"""Cards: reading their sections, and the parts of them that scripts write."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import VOCABULARY, photograph, save_untrained
from places import ROOT

from nmflowgan_cli.checkpoints import cards
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.imaging import Picture, write

SCRIPTS = ROOT / "scripts"
HEADER = Header(architecture="paper", options={"widths": [4, 4, 4, 4, 4]}, vocabulary=VOCABULARY, name="small")
CARD = """---
license: other
---

# small

Made for **tests**
by `pytest`:

<!-- cameras -->
<!-- end of cameras -->

## Training

Words.

```
nmflowgan train pairs
```

## Limits

- Tiny: good
  for nothing.
- Slow.

More words.

<!-- metrics val -->
old
<!-- end of metrics val -->
"""


def test_what_a_card_says():
    found = cards.sections(CARD)
    assert list(found) == [cards.SUMMARY, "Training", "Limits"]
    assert cards.paragraph(found[cards.SUMMARY]) == "Made for tests by pytest."
    assert cards.command(found["Training"]) == "nmflowgan train pairs"
    assert cards.points(found["Limits"]) == ["Tiny: good for nothing.", "Slow."]
    assert cards.command(found["Limits"]) == ""
    assert cards.points(found["Training"]) == []


def test_a_part_is_replaced_and_all_else_stays():
    once = cards.with_part(CARD, "metrics val", "new\n")
    assert once == CARD.replace("old", "new")
    assert cards.with_part(once, "metrics val", "old") == CARD


@pytest.mark.parametrize("text", ["", "<!-- metrics val -->", "<!-- end of metrics val -->"])
def test_a_card_without_a_place_for_the_part_is_refused(text):
    with pytest.raises(WeightsError, match="no place for metrics val"):
        cards.with_part(text, "metrics val", "new")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights with a card, and two real pairs."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "small.md").write_text(CARD)
    lines = ["clean,noisy,camera,iso,split"]
    for number, iso in enumerate((100, 800)):
        write(tmp_path / f"clean{number}.png", Picture(photograph(112, 128, number)))
        noisy = photograph(112, 128, number)
        noisy[::2, ::3] //= 2
        write(tmp_path / f"noisy{number}.png", Picture(noisy))
        lines.append(f"clean{number}.png,noisy{number}.png,GP,{iso},val")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    return save_untrained(tmp_path / "small.safetensors", HEADER)


def run(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=200).stdout


@pytest.mark.slow
def test_an_evaluation_becomes_numbers_of_the_header_and_tables_of_the_card(weights):
    folder = weights.parent
    told = run("-m", "nmflowgan_cli", "evaluate", folder, "-m", weights, "-m", "awgn", "--json", "-q")
    (folder / "report.json").write_text(told)
    for part in ("val", "val"):  # a second time changes nothing
        script = [SCRIPTS / "record_metrics.py", weights, folder / "report.json"]
        run(*script, "--part", part, "--command", "nmflowgan evaluate pairs")
    first, second = json.loads(told)["models"]
    metrics = read_header(weights).metrics
    assert list(metrics) == ["val"]
    assert metrics["val"]["command"] == "nmflowgan evaluate pairs"
    assert metrics["val"]["GP"]["kld"] == pytest.approx(first["cameras"]["GP"]["kld"], abs=1e-4)
    text = (folder / "cards" / "small.md").read_text()
    assert "old" not in text
    assert "| `GP` | Google Pixel | 100, 800 |" in text
    for model, label in ((first, "**small**"), (second, "awgn")):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {label}")]
        assert f" | {model['mean_of_cameras']['kld']:.4f} | " in row
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| GP ")] == [
        "| GP",
        "| GP 100",
        "| GP 800",
    ]


@pytest.mark.slow
def test_figures_of_a_card_stand_alone(weights, tmp_path):
    told = run(SCRIPTS / "card_figures.py", weights, weights.parent, "-o", tmp_path / "figures")
    assert [line.partition(":")[0].rpartition("/")[2] for line in told.splitlines()] == [
        f"small-{kind}.svg" for kind in ("std", "mean", "correlation")
    ]
    for path in (tmp_path / "figures").iterdir():
        text = path.read_text()
        assert text.startswith("<svg ")
        assert "GP ISO 100" in text, "of ISOs with equally many pixels the lower one"
        assert "http" not in text.replace("http://www.w3.org/", "")
        assert path.stat().st_size < 150_000


@pytest.mark.slow
def test_a_sheet_has_a_row_for_each_iso_that_there_is(weights, tmp_path):
    from PIL import Image

    sizes = []
    for isos in ((100,), (100, 800), (100, 200, 800, 3200)):
        target = tmp_path / "sheet.png"
        run(SCRIPTS / "picture_sheet.py", weights, weights.parent, "--side", 40, "--output", target, "--iso", *isos)
        with Image.open(target) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0] > 5 * 2 * 40
    assert sizes[0][1] < sizes[1][1] == sizes[2][1]
