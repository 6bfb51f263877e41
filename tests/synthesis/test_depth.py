"""16 bits a channel: noise without an 8-bit step, the same as that of 8 bits but for one rounding."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from deep_reader import deep_pixels
from fakes import ConvolutionNoise, photograph
from profile_examples import WHOLE
from typer.testing import CliRunner

import nmflowgan_cli
from nmflowgan_cli.checkpoints.official import VOCABULARY
from nmflowgan_cli.cli.app import app
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.data.profiles import default_isp
from nmflowgan_cli.imaging import Picture, encode_png, head, read, with_depth, write
from nmflowgan_cli.metrics.noise import FINE, kl_divergence
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.models.gaussian import GaussianNoise
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN
from nmflowgan_cli.profiles.by_hand import by_hand
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.profiles.mono import MonoNoise
from nmflowgan_cli.synthesis.engine import synthesize

CLEAN = photograph(96, 128)
IP800 = Condition("IP", 800)


def gaussian() -> NoiseModel:
    model = GaussianNoise(Vocabulary(("IP",), (800,), {"IP": {800: 1}}))
    model.offset += 20.0
    model.slope += 0.1
    return model


def paper() -> NoiseModel:
    torch.manual_seed(3)
    model = PaperNMFlowGAN(VOCABULARY, without=("gan",)).eval()
    with torch.no_grad():
        for layer in (model.conditional_layers[2], model.conditional_layers[5]):
            layer.log_scale.fill_(1.8)
    return model


def mono() -> NoiseModel:
    return MonoNoise(by_hand(0.01, 1e-4, 800, name="IP"))


MODELS = {
    "lite": lambda: nmflowgan_cli.load("sidd-lite").model,
    "paper": paper,
    "gaussian": gaussian,
    "isp": default_isp,
    "profile": lambda: model_of(WHOLE),
    "grey profile": mono,
}


def condition(model: NoiseModel) -> Condition:
    return IP800 if "IP" in model.vocabulary.cameras else Condition(WHOLE.name, 800)


@pytest.mark.parametrize("name", MODELS)
def test_the_noise_of_16_bits_is_that_of_8_before_rounding(name: str) -> None:
    model = MODELS[name]()
    noise = partial(synthesize, model, condition=condition(model), key=5)
    deep = noise(with_depth(CLEAN, 16), dtype=np.uint16)
    assert deep.dtype == np.uint16
    if name != "paper":  # which works with whole counts inside where 8 bits are wanted
        floats = noise(CLEAN, dtype=np.float32)
        assert np.abs(deep / 257 - floats.clip(0, 255)).max() <= 0.5 / 257 + 1e-4
    assert np.array_equal(deep, noise(CLEAN, dtype=np.uint16))  # whichever way the same picture comes in
    assert np.array_equal(noise(with_depth(CLEAN, 16)), noise(CLEAN))
    inside = deep[(deep > 0) & (deep < 65535)]
    shares = np.bincount(inside % 257, minlength=257) / len(inside)
    assert shares.max() < 3 / 257  # nothing lies on the grid of 8 bits


@pytest.mark.parametrize("name", MODELS)
def test_rounded_to_8_bits_its_statistics_are_those_of_8_bits(name: str) -> None:
    model = MODELS[name]()
    noise = partial(synthesize, model, condition=condition(model))
    plain = [noise(CLEAN, key=key).astype(int) - CLEAN for key in range(16)]
    deep = [noise(with_depth(CLEAN, 16), key=key, dtype=np.uint16) for key in range(16, 24)]
    rounded = [with_depth(noisy, 8).astype(int) - CLEAN for noisy in deep]
    for measure in (np.mean, np.std):
        one, other = ([measure(values) for values in several] for several in (plain, rounded))
        spread = np.std(one, ddof=1)
        assert abs(np.mean(one) - np.mean(other)) < 4 * spread * np.sqrt(1 / len(one) + 1 / len(other))
    reference, second, rows = (np.stack(several).reshape(1, -1) for several in (plain[:8], plain[8:], rounded))
    assert kl_divergence(reference, rows, FINE) < 2 * kl_divergence(reference, second, FINE)


@pytest.mark.parametrize("name", MODELS)
def test_levels_between_counts_are_seen(name: str) -> None:
    """A clean picture half a count brighter gets noise about it, not about the next whole count."""
    model = MODELS[name]()
    deep = with_depth(CLEAN, 16)
    between = np.minimum(deep, 65535 - 128) + np.uint16(128)
    noise = partial(synthesize, model, condition=condition(model), key=5, dtype=np.uint16)
    shift = (noise(between) / 257 - noise(deep) / 257).mean()
    assert 0.25 < shift < 0.75


def test_without_noise_every_level_comes_back() -> None:
    model = GaussianNoise(Vocabulary(("IP",), (800,), {"IP": {800: 1}}))
    levels = np.repeat(np.arange(65536, dtype=np.uint16).reshape(256, 256, 1), 3, 2)
    assert np.array_equal(synthesize(model, levels, IP800, 0, dtype=np.uint16), levels)


def test_tiles_change_nothing() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, CLEAN.shape, np.uint16)
    noise = partial(synthesize, ConvolutionNoise(), deep, Condition("IP", 800), 5, dtype=np.uint16)
    assert np.array_equal(noise(tile=1024), noise(tile=16))


def test_arrays_come_back_as_they_went_in() -> None:
    camera = nmflowgan_cli.load("isp")
    for picture in (CLEAN, with_depth(CLEAN, 16)):
        assert camera.synthesize(picture, camera="IP", iso=800).dtype == picture.dtype


RUNNER = CliRunner()


def call(*arguments: object, code: int = 0) -> str:
    done = RUNNER.invoke(app, ["synthesize", *map(str, arguments), "-w", "isp", "-c", "IP", "-i", "800"])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    deep = with_depth(CLEAN, 16)
    write(tmp_path / "in" / "deep.png", Picture(deep, deep[..., 0]))
    write(tmp_path / "in" / "deep.tiff", Picture(np.repeat(deep[..., :1], 3, 2), grey=True))
    (tmp_path / "in" / "plain.png").write_bytes(encode_png(CLEAN))
    return tmp_path


def records(folder: Path) -> dict[str, dict[str, object]]:
    lines = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    return {record["output"]: record for record in lines}


def test_outputs_are_as_deep_as_their_inputs(folder: Path) -> None:
    call(folder / "in", "-o", folder / "out", "--format", "same")
    depths = {name: record["depth"] for name, record in records(folder / "out").items()}
    assert depths == {"deep.png": 16, "deep.tiff": 16, "plain.png": 8}
    assert {name: head(folder / "out" / name).depth for name in depths} == depths
    noisy = read(folder / "out" / "deep.png", deepest=16)
    assert noisy.alpha is not None
    assert np.array_equal(noisy.alpha, with_depth(CLEAN, 16)[..., 0])
    assert np.array_equal(deep_pixels(folder / "out" / "deep.png")[..., :3], noisy.rgb)
    assert deep_pixels(folder / "out" / "deep.tiff").ndim == 2


def test_the_depth_may_be_chosen(folder: Path) -> None:
    for depth in (8, 16):
        out = folder / f"out{depth}"
        call(folder / "in", "-o", out, "--format", "same", "--depth", depth)
        assert {record["depth"] for record in records(out).values()} == {depth}
    assert "rounded" not in call(folder / "in" / "deep.png", "-o", folder / "a.png", "--depth", 8)
    assert "deep.tiff: rounded to 8 bits a channel" in call(folder / "in" / "deep.tiff", "-o", folder / "b.bmp")
    said = call(folder / "in" / "plain.png", "-o", folder / "no", "--format", "bmp", "--depth", 16, code=2)
    assert "--depth 16 does not fit plain.bmp: BMP holds 8 (--format png or tiff)" in said
    assert not (folder / "no").exists()


def test_resume_and_repair_know_the_depth(folder: Path) -> None:
    arguments = (folder / "in", "-o", folder / "out", "--format", "same")
    call(*arguments)
    before = (folder / "out" / "deep.png").read_bytes()
    (folder / "out" / "deep.png").unlink()
    assert "done: 1, skipped: 2" in call(*arguments, "--resume")
    assert (folder / "out" / "deep.png").read_bytes() == before
    (folder / "out" / "deep.png").write_bytes(b"altered")
    assert RUNNER.invoke(app, ["verify", str(folder / "out"), "--repair"]).exit_code == 0
    assert (folder / "out" / "deep.png").read_bytes() == before
    assert "depth was 16" in call(*arguments, "--resume", "--depth", 8, code=2)


def test_records_without_a_depth_are_of_8_bits(folder: Path) -> None:
    arguments = (folder / "in" / "plain.png", "-o", folder / "out")
    (folder / "out").mkdir()
    call(*arguments)
    path = folder / "out" / "manifest.jsonl"
    path.write_text(path.read_text().replace('"depth": 8, ', ""))
    assert "skipped: 1" in call(*arguments, "--resume")
