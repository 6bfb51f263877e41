"""A further architecture is a file and a row of the table: every command then knows it."""

import json

import numpy as np
import pytest
import toy
from fakes import photograph
from PIL import Image
from typer.testing import CliRunner

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import read_header
from nmflowgan_cli.cli import app
from nmflowgan_cli.models.registry import ARCHITECTURES, load_reference, of_header

STD = {"IP": 3.0, "GP": 9.0}


@pytest.fixture(autouse=True)
def row(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", toy.ROW)


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    rows = ["clean,noisy,camera,iso,scene,split"]
    for number, (camera, part) in enumerate((("IP", "train"), ("GP", "train"), ("IP", "val"))):
        clean = photograph(96, 96, number).clip(40, 215)
        noisy = clean + np.random.default_rng(number).normal(0, STD[camera], clean.shape)
        Image.fromarray(clean).save(folder / f"c{number}.png")
        Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8)).save(folder / f"n{number}.png")
        rows.append(f"c{number}.png,n{number}.png,{camera},800,scene{number},{part}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def nmflowgan(*arguments, code=0):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_it_is_trained_extended_evaluated_and_synthesized(pairs, tmp_path):
    nmflowgan("train", pairs, "--model", "toy", "--camera", "IP", "-o", tmp_path / "one", "-q")
    weights = tmp_path / "one" / "model.safetensors"
    header = read_header(weights)
    assert (header.architecture, header.options) == ("toy", {"start": 1.0})
    assert "val_kld" in header.metrics["validation"]
    assert "white noise, trained with" in (tmp_path / "one" / "card.md").read_text()
    assert load_model(weights).log_std.exp().item() == pytest.approx(STD["IP"], rel=0.1)

    nmflowgan("train", pairs, "--model", "toy", "--init", weights, "-o", tmp_path / "two", "-q")
    both = tmp_path / "two" / "model.safetensors"
    assert load_model(both).log_std.exp().tolist() == pytest.approx([STD["IP"], STD["GP"]], rel=0.1)

    found = json.loads(nmflowgan("evaluate", pairs, "-m", both, "--patch", 32, "--nll", "--json", "-q"))
    scores = found["models"][0]["mean_of_cameras"]
    assert scores["kld"] < 0.05
    expected = np.mean([np.log2(std * np.sqrt(2 * np.pi * np.e)) for std in STD.values()])
    assert scores["nll"] == pytest.approx(expected, abs=0.1)

    nmflowgan("synthesize", pairs / "c0.png", "-c", "GP", "-i", 800, "--weights", both, "-o", tmp_path / "x.png", "-q")
    noise = np.asarray(Image.open(tmp_path / "x.png")).astype(float) - np.asarray(Image.open(pairs / "c0.png"))
    assert noise.std() == pytest.approx(STD["GP"], rel=0.1)


def test_options_of_others_mean_nothing_to_it(pairs, tmp_path):
    told = nmflowgan("train", pairs, "--model", "toy", "--flow-steps", 5, "-o", tmp_path / "run", code=2)
    assert "--arch toy has no --flow-steps" in told
    told = nmflowgan("train", pairs, "--model", "toy", "--preset", "paper", "-o", tmp_path / "run", code=2)
    assert "toy has no preset paper (one of short)" in told


def test_every_reference_of_the_table_is_there():
    for name, row in ARCHITECTURES.items():
        references = [row.model, row.trainer, *row.recipes.values(), *filter(None, (row.learner, row.importer))]
        assert all(callable(load_reference(reference)) for reference in references), name
        assert of_header(row.header or name) is not None
        assert bool(row.importer) == bool(row.layout), name
