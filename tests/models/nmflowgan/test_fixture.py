"""Parity with the authors' network: the tests' own small fixture, and the full one where it is at hand.

`tests/fixtures/official_small.*` comes from `scripts/make_fixture.py`, a restatement in plain numpy.
"""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from places import FIXTURES, ROOT

from nmflowgan_cli.checkpoints.official import import_official
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN

SMALL = FIXTURES
FULL = Path(os.environ.get("NMFLOWGAN_SHARED") or ROOT.parent / "shared") / "fixtures"


def relative(value: torch.Tensor, expected: np.ndarray) -> float:
    """max|a - b| / max|b|."""
    return float(np.abs(value.numpy().astype(np.float64) - expected).max() / np.abs(expected).max())


@torch.no_grad()
def test_the_small_fixture():
    state, header = import_official(SMALL / "official_small.pth")
    assert header.options == {"widths": [2, 4, 4, 8, 8]}
    model = PaperNMFlowGAN(header.vocabulary, **header.options).eval()
    model.load_state_dict(state)
    arrays = dict(np.load(SMALL / "official_small.npz"))
    conditions = [Condition(str(c), int(i)) for c, i in zip(arrays["camera"], arrays["iso"], strict=True)]
    code = encode(model.vocabulary, conditions)
    clean = torch.from_numpy(arrays["clean"]).float()
    fields = Fields(torch.from_numpy(arrays["latent"]).float(), torch.from_numpy(arrays["uniform"]).float())

    given = model.given(clean, code, fields)
    z, log_det = model.flow(given.clean + torch.from_numpy(arrays["noise"]).float(), given)
    assert relative(z, arrays["z"]) < 1e-4
    assert relative(log_det, arrays["log_det"]) < 1e-5
    pixelwise = clean + model.pixelwise_noise(clean, code, fields)
    assert float((pixelwise.numpy() != arrays["pixelwise_noisy"]).mean()) <= 1e-3
    noisy = model.sample(clean, code, fields).numpy()
    rounded, expected = (np.floor(values + 0.5).clip(0, 255) for values in (noisy, arrays["noisy"]))
    assert float((rounded != expected).mean()) <= 1e-3


def parity_script() -> ModuleType:
    """scripts/fixture_parity.py as a module."""
    spec = importlib.util.spec_from_file_location("fixture_parity", ROOT / "scripts" / "fixture_parity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not FULL.is_dir(), reason=f"the full fixture is not at {FULL}")
def test_the_full_fixture():
    script = parity_script()
    arrays = dict(np.load(FULL / "nmflowgan_small.npz"))
    model = script.load_official(FULL / "nmflowgan_small.pth")
    compared = {name: value.numpy() for name, value in script.computed(model, arrays)}
    assert compared.keys() == arrays.keys() - {"clean", "camera", "iso", "dequant_u", "latent_z", "flow_in"}
    counts = {"pixelwise_noisy", "unet_in", "noisy_float", "noisy_uint8"}
    errors = {name: script.errors(value, arrays[name])[0] for name, value in compared.items() if name not in counts}
    assert {name: error for name, error in errors.items() if error > 1e-4} == {}
    for name in ("pixelwise_noisy", "noisy_uint8"):
        difference = np.abs(compared[name] - arrays[name])
        assert difference.max() <= 1, name
        assert (difference > 0).mean() <= 1e-3, name
    assert (np.abs(compared["noisy_float"] - arrays["noisy_float"]) > 0.01).mean() <= 1e-3
