"""Checkpoints of other systems: recognised by their layout; malformed ones are refused with a named reason."""

import pytest
import torch
from places import ROOT
from typer.testing import CliRunner

from nmflowgan_cli.checkpoints import c2n, naflow, srgbflow
from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import read_header
from nmflowgan_cli.checkpoints.official import VOCABULARY
from nmflowgan_cli.checkpoints.translation import official_name
from nmflowgan_cli.cli import app
from nmflowgan_cli.models.c2n import C2N
from nmflowgan_cli.models.naflow import NAFlow
from nmflowgan_cli.models.neca import CorrelationNet
from nmflowgan_cli.models.srgbflow import SRGBFlow


def c2n_state():
    torch.manual_seed(0)
    return {official_name(n, c2n.RENAMED): t for n, t in C2N(VOCABULARY, width=4).state_dict().items()}


def srgbflow_state():
    torch.manual_seed(0)
    model = SRGBFlow(VOCABULARY)
    with torch.no_grad():
        for layer in model.flow.bijections[1:]:
            if hasattr(layer, "log_scale"):
                layer.log_scale[[0, 1, 10]] = 0.5
    state = {official_name(n, srgbflow.RENAMED): t for n, t in model.state_dict().items()}
    return {"epoch_num": 3, "state_dict": {**state, "base_dist.buffer": torch.zeros(1)}}


def imported(tmp_path, content, code=0):
    path, output = tmp_path / "theirs.pth", tmp_path / "ours.safetensors"
    torch.save(content, path)
    done = CliRunner().invoke(app, ["weights", "import", str(path), "-o", str(output)])
    assert done.exit_code == code, done.output
    assert output.exists() == (code == 0)
    return output if code == 0 else done.output


def test_a_generator_of_c2n(tmp_path):
    path = imported(tmp_path, {f"module.{name}": tensor for name, tensor in c2n_state().items()})
    header = read_header(path)
    assert (header.architecture, header.options) == ("c2n", {"width": 4})
    assert "MIT" in header.terms
    assert all(header.vocabulary.trained_isos(camera) for camera in header.vocabulary.cameras)
    theirs = c2n_state()
    for name, tensor in load_model(path).state_dict().items():
        assert torch.equal(tensor, theirs[official_name(name, c2n.RENAMED)])


def test_c2n_says_that_it_knows_no_camera(tmp_path):
    path = imported(tmp_path, c2n_state())
    arguments = [
        "synthesize",
        str(ROOT / "photos"),
        "--camera",
        "IP",
        "--iso",
        "800",
        "--weights",
        str(path),
        "--dry-run",
        "-o",
    ]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "x")])
    assert done.exit_code == 0, done.output
    assert "C2N knows no camera and no ISO" in done.output


def test_a_checkpoint_of_srgbflow_without_its_untrained_codes(tmp_path):
    path = imported(tmp_path, srgbflow_state())
    header = read_header(path)
    assert header.architecture == "srgbflow"
    assert "non-commercial" in header.terms
    assert header.restricted
    assert {c: header.vocabulary.trained_isos(c) for c in VOCABULARY.cameras} == {
        "IP": [100, 800], "GP": [100], "S6": [], "N6": [], "G4": []
    }  # fmt: skip
    arguments = ["synthesize", str(ROOT / "photos"), "--camera", "GP", "--iso", "800", "--weights", str(path), "-o"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "x")])
    assert done.exit_code == 2, done.output
    assert "ISO 800 is outside what these weights know of GP" in done.output


@pytest.mark.parametrize("state", [c2n_state, lambda: srgbflow_state()["state_dict"]])
@pytest.mark.parametrize("problem", ["lacks", "has unknown", "has wrongly shaped"])
def test_malformed_ones_are_refused(tmp_path, state, problem):
    content = state()
    name = [name for name, tensor in content.items() if tensor.ndim == 4][-1]
    if problem == "lacks":
        del content[name]
    elif problem == "has unknown":
        content[name := "another.weight"] = torch.zeros(1)
    else:
        content[name] = content[name][:, :1, :, :].repeat(1, 9, 1, 1)
    assert f"{problem} {name}" in imported(tmp_path, content, code=4)


@pytest.mark.parametrize("content", [3, {"state_dict": {"some.weight": torch.zeros(2)}}, [torch.zeros(1)]])
def test_other_layouts_are_refused(tmp_path, content):
    told = imported(tmp_path, content, code=4)
    assert "holds no noise model" in told
    assert "srgbflow" in told


def naflow_state():
    model = NAFlow(VOCABULARY, features=8, hidden=8)
    state = {naflow.official_name(n): t for n, t in model.state_dict().items() if n not in naflow.TABLES}
    gaussians = {
        f"{table}_{label}": torch.ones(192) for table in naflow.TABLES.values() for label in ("GP_10000", "IP_00400")
    }
    return {"state_dict": {f"model.{name}": tensor for name, tensor in {**state, **gaussians}.items()}}


def test_a_checkpoint_of_naflow_knows_the_codes_that_it_has_gaussians_for(tmp_path):
    header = read_header(imported(tmp_path, naflow_state()))
    assert (header.architecture, header.options) == ("naflow", {"features": 8, "hidden": 8})
    assert {c: header.vocabulary.trained_isos(c) for c in header.vocabulary.cameras} == {"GP": [10000], "IP": [400]}
    assert "MIT" in header.terms
    broken = naflow_state()
    (tmp_path / "broken").mkdir()
    del broken["state_dict"]["model.cov_shift_IP_00400"]
    assert "lacks cov_shift_IP_00400" in imported(tmp_path / "broken", broken, code=4)


def test_a_part_of_neca_is_neca_s_and_has_no_licence(tmp_path):
    state = {"epoch": 1, "model_state_dict": CorrelationNet((8, 8, 8, 8)).state_dict()}
    header = read_header(imported(tmp_path, state))
    assert (header.architecture, header.options) == ("neca", {"widths": [8, 8, 8, 8], "level": 25})
    assert header.restricted
    assert "no licence" in header.terms
