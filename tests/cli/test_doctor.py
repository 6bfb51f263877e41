"""`nmflowgan doctor`, and the self-test behind it."""

import json
from pathlib import Path

import pytest
import torch
from places import ROOT
from typer.testing import CliRunner, Result

from nmflowgan_cli import load
from nmflowgan_cli.cli import app
from nmflowgan_cli.synthesis.self_test import SelfTestError, compared, self_test


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["doctor", "--device", "cpu", *map(str, arguments)])


def test_a_sound_installation_passes_and_names_its_parts(tmp_path: Path) -> None:
    done = run("--json", "--cache-dir", tmp_path)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert torch.__version__ in found["libraries"]
    assert found["device"].startswith("cpu")
    assert found["cache"] == str(tmp_path)
    registered = json.loads((ROOT / "weights" / "registry.json").read_text())["weights"]
    assert {name for name in found if name.startswith("weights ")} == {f"weights {each['name']}" for each in registered}
    assert self_test(cache_dir=tmp_path).sha256.startswith(found["self-test"].split()[1].rstrip(".,"))


def test_a_cache_that_cannot_be_written_is_named_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("--cache-dir", tmp_path / "file" / "cache")
    assert done.exit_code == 0, done.output
    assert "cannot be written" in done.stdout


def test_a_device_that_does_not_exist_is_a_mistake_of_usage() -> None:
    done = CliRunner().invoke(app, ["doctor", "--device", "cuda:99"])
    assert done.exit_code == 2
    assert "cuda:99" in done.output


def test_damaged_parameters_fail_the_self_test() -> None:
    noise = load("sidd-lite", device="cpu")
    assert compared(noise) == self_test()
    with torch.no_grad():
        for parameter in noise.model.parameters():
            parameter.mul_(0.8)
    with pytest.raises(SelfTestError, match=r"standard deviations .* expected"):
        compared(noise)
