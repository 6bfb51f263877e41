"""`nmflowgan cameras`, and cameras by name in `synthesize`."""

import json
from pathlib import Path

from places import ROOT
from typer.testing import CliRunner, Result

from nmflowgan_cli.cli import app

PHOTO = str(ROOT / "photos" / "coffee.png")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_listing_is_complete_and_machine_readable() -> None:
    everything = json.loads(run("cameras", "--json").stdout)
    assert len({row["name"] for row in everything}) == len(everything) > 300
    assert len(run("cameras").stdout.splitlines()) == len(everything) + 1
    for row in everything:
        assert row["saturation"] > 0
        assert row["quality"] in ("good", "fair", "poor")


def test_a_query_takes_parts_of_words_and_sonys_names() -> None:
    assert [row["name"] for row in json.loads(run("cameras", "d800", "--json").stdout)] == ["Nikon D800", "Nikon D800E"]
    assert "Sony ILCE-7M2" in run("cameras", "A7", "II").stdout


def test_an_unknown_query_names_the_nearest() -> None:
    result = run("cameras", "Nikon D8000")
    assert result.exit_code == 2
    assert "did you mean Nikon D800" in result.stderr


def synthesize(output: Path, camera: str, *more: str) -> Result:
    return run("synthesize", PHOTO, "--camera", camera, "--iso", "6400", "-o", str(output), *more)


def test_a_camera_of_the_table_makes_noise_when_rendered_plainly(tmp_path: Path) -> None:
    for name in ("Nikon D600", "NIKON CORPORATION NIKON D600"):
        result = synthesize(tmp_path / f"{len(name)}.png", name, "--rendered", "plain")
        assert result.exit_code == 0, result.output
    assert (tmp_path / "10.png").read_bytes() == (tmp_path / "28.png").read_bytes()


def test_without_a_rendering_the_error_says_what_to_type(tmp_path: Path) -> None:
    result = synthesize(tmp_path / "a.png", "Nikon D600")
    assert result.exit_code == 2
    assert "--rendered plain" in result.stderr


def test_mistakes_of_rendering_are_told(tmp_path: Path) -> None:
    assert "unknown rendering 'jpeg'" in synthesize(tmp_path / "a.png", "Nikon D600", "--rendered", "jpeg").stderr
    assert "leave one of them out" in synthesize(tmp_path / "a.png", "IP", "--rendered", "plain", "-w", "isp").stderr
    assert "one with --rendered" in synthesize(tmp_path / "a.png", "D600,D700", "--rendered", "plain").stderr
