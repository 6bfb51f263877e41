"""The pages against the repository: links, paths, tables, numbers, and the generated reference."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pages import PAGES, ROOT, Page, cells, page
from test_imports import LAYERS

import nmflowgan_cli
from nmflowgan_cli.cli.app import CLOSED_PIPE
from nmflowgan_cli.conditions import CAMERA_NAMES
from nmflowgan_cli.data.containers import CONTAINERS
from nmflowgan_cli.data.layouts import LAYOUTS
from nmflowgan_cli.errors import NmflowganError

FOLDERS = ("nmflowgan_cli", "tests", "docs", "scripts", "benchmarks", "weights", "photos")
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w/.-]*\w\.(?:py|md|json|png|csv)\b")
MODULE = re.compile(r"(?<![\w/.-])[a-z_]+(?:/[a-z_]+)*/[a-z_]+\.py")
"""A module as pages name it: from the root, from the package, or from a folder of either."""
EVERY = pytest.mark.parametrize("given", PAGES, ids=lambda page: page.name)


@EVERY
def test_links_lead_somewhere(given: Page) -> None:
    for link in given.links():
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (given.path.parent / name).resolve() if name else given.path
        assert target.exists(), f"{given.name} links to {link}"
        assert not anchor or anchor in Page(target).anchors(), f"{given.name} links to {link}"


@EVERY
def test_files_that_are_named_exist(given: Page) -> None:
    for path in {*PATH.findall(given.text), *MODULE.findall(given.text)}:
        assert (ROOT / path).exists() or (ROOT / "nmflowgan_cli" / path).exists(), f"{given.name} names {path}"


@pytest.mark.parametrize("given", [page("README.md"), page("docs/guide.md")], ids=lambda page: page.name)
def test_python_in_the_pages_runs(given: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fakes import photograph

    from nmflowgan_cli.imaging import Picture, write

    write(tmp_path / "photo.png", Picture(photograph(40, 48)))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for line, block in given.blocks("python"):
        exec(compile("\n" * (line - 1) + block, given.path, "exec"), names)
    assert getattr(names["noisy"], "shape", None) == (40, 48, 3)


def test_the_readme_fits_on_a_page() -> None:
    assert len(page("README.md").text.splitlines()) <= 130


def test_the_reference_is_current() -> None:
    check = [sys.executable, ROOT / "scripts" / "reference.py", "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_tables_of_the_guide_list_what_there_is() -> None:
    guide = page("docs/guide.md")
    assert {row[0]: row[1] for row in guide.table("code")} == CAMERA_NAMES
    assert [row[0] for row in guide.table("`--layout`")] == list(LAYOUTS)
    assert {row[0] for row in guide.table("`--container`")} == set(CONTAINERS)


def test_extras_and_exit_codes_of_the_guide() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    guide = page("docs/guide.md")
    assert {name for row in guide.table("extra") for name in row[0].split(", ")} == extras - {"dev"}
    described = re.findall(r"^\| (\d+) \|", guide.text, re.MULTILINE)
    ours = {str(error.exit_code) for error in (NmflowganError, *NmflowganError.__subclasses__())}
    assert set(described) == ours | {"0", "3", "130", str(CLOSED_PIPE)}


def test_layers_are_those_of_the_imports() -> None:
    rows = page("docs/development.md").table("layer")
    described = [(int(number), room) for number, room, _ in rows]
    assert described == [(number, room) for number, rooms in enumerate(LAYERS, 1) for room in rooms]


def measured(card: str, part: str) -> dict[str, list[str]]:
    """The rows of the first table that `record_metrics.py` wrote for a part of a card, by model."""
    text = (ROOT / "weights" / "cards" / card).read_text(encoding="utf-8")
    between = text.partition(f"<!-- metrics {part} -->")[2].partition(f"<!-- end of metrics {part} -->")[0]
    table = between.partition("by camera, then by camera and ISO")[0]
    rows = [cells(line) for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    return {row[0].partition(" (")[0]: row for row in rows}


def test_the_evidence_is_that_of_the_cards() -> None:
    everywhere, held_out = measured("sidd-lite.md", "all"), measured("sidd-lite.md", "val")
    named = {"isp, the camera simulator": "isp", "heteroscedastic Gaussian": "heteroscedastic", "AWGN": "awgn"}
    shown = [row for row in page("README.md").table("noise model") if row[1]]
    assert len(shown) == 4
    for name, kld_held_out, kld_all, correlation, _ in shown:
        model = named.get(name, name)
        lags, colours = everywhere[model][-2:]
        assert (kld_held_out, kld_all) == (held_out[model][1], everywhere[model][1]), name
        assert correlation == f"{lags} / {colours}", name


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {nmflowgan_cli.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
