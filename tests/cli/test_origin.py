"""The new user's path: what `make-pairs` made does not pass for real noise in `evaluate` and `train`."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from html_reader import Reader
from writers import ISP, call, made, photographs

from nmflowgan_cli.checkpoints.format import read_header
from nmflowgan_cli.data.containers import CONTAINERS
from nmflowgan_cli.data.reading import read_paired
from nmflowgan_cli.denoising.recipe import lite
from nmflowgan_cli.denoising.train import run_denoiser
from nmflowgan_cli.training.run import TrainingRequest
from nmflowgan_cli.training.sources import DataOptions

FIT = ("--patch", 64, "--step", 16, "--val-share", 0.5)
WAY_OUT = "give pairs of a camera, state noise=real in their manifest, or use --accept-synthetic"


@pytest.fixture(scope="module", params=CONTAINERS)
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp(request.param)
    clean = photographs(root / "clean", ("a.png", "b.png"))
    return made(root / "pairs", clean, *ISP, *FIT, "--container", request.param)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of the simulator as files."""
    root = tmp_path_factory.mktemp("synthetic")
    return made(root / "pairs", photographs(root / "clean", ("a.png", "b.png")), *ISP, *FIT)


@pytest.fixture(scope="module")
def denoiser(synthetic: Path) -> Path:
    """Weights of a denoiser that learned from pairs of the simulator as if they were real."""
    data, run = DataOptions(pairs=synthetic, accept_synthetic=True), synthetic.parent / "denoiser"
    recipe = replace(lite(), steps=1, batch=1, settling=1)
    request = TrainingRequest(architecture="dncnn", data=data, run=run, name="bound", recipe=recipe, device="cpu")
    weights = run_denoiser(request, progress=lambda step, metrics: None).weights
    assert weights is not None
    return weights


def test_evaluate_says_first_what_models_are_compared_with(pairs: Path) -> None:
    counted = len(read_paired(pairs)[0])
    done = call("evaluate", pairs, "-m", "awgn", "--patch", 64)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"compared with synthetic noise of isp ({counted} pairs)"
    told = f"no real noise: models are compared with synthetic noise of isp ({counted} pairs)"
    assert done.stderr == f"note: {told}\n"
    found = json.loads(call("evaluate", pairs, "-m", "awgn", "--patch", 64, "--json", "-q").stdout)
    assert found["remarks"][0] == told
    assert found["data"]["noise"] == f"synthetic noise of isp ({counted} pairs)"


def test_the_page_does_not_call_the_noise_of_a_model_real(synthetic: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = call("evaluate", synthetic, "-m", "awgn", "--patch", 64, "--report", tmp_path / "page.html", "-q")
    assert done.exit_code == 0, done.stderr
    words = Reader((tmp_path / "page.html").read_text()).words
    assert "against the reference noise of" in words
    assert "no real noise: models are compared with synthetic noise of isp (8 pairs)" in words
    assert "the real noise" not in words.replace("of the real noise", "")  # in definitions


def test_real_noise_is_refused_where_there_is_none(pairs: Path, denoiser: Path, tmp_path: Path) -> None:
    for wish, command in {
        "--noise real": ("train", pairs, "--model", "dncnn", "--noise", "real", "-o", tmp_path / "run"),
        "--denoising-table": ("evaluate", pairs, "--denoising-table", "-m", "awgn", "--runs", tmp_path / "runs"),
        "an evaluation of denoisers": ("evaluate", pairs, "--denoiser", denoiser),
    }.items():
        done = call(*command)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.output
        assert f"error: {wish} needs real noise, and the data hold synthetic noise of isp (" in done.stderr
        assert WAY_OUT in done.stderr
    assert not any(tmp_path.iterdir())


def test_weights_say_that_they_learned_from_synthetic_pairs(denoiser: Path, synthetic: Path) -> None:
    header = read_header(denoiser)
    assert header.data == ("4 pairs of pairs: synthetic noise of isp (4 pairs)",)
    assert header.training["noise"] == "pairs"
    card = denoiser.with_name("card.md").read_text()
    assert "- **Data**: 4 pairs of pairs: synthetic noise of isp (4 pairs)\n" in card
    assert "learned from the noise of its pairs" in card
    assert "real" not in card


def test_train_takes_synthetic_pairs_for_real_ones_where_that_is_accepted(synthetic: Path, tmp_path: Path) -> None:
    flags = ("--model", "dncnn", "--noise", "real", "--steps", 10_000, "--batch", 1, "--time-limit", "1s", "-q")
    done = call("train", synthetic, *flags, "--accept-synthetic", "-o", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


def test_denoisers_are_judged_on_synthetic_pairs_where_that_is_accepted(denoiser: Path, synthetic: Path) -> None:
    done = call("evaluate", synthetic, "--denoiser", denoiser, "--accept-synthetic")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0] == "judged on synthetic noise of isp (4 pairs)"
    assert "real noise" not in done.stdout
    found = json.loads(call("evaluate", synthetic, "--denoiser", denoiser, "--accept-synthetic", "--json").stdout)
    assert found["data"]["noise"] == "synthetic noise of isp (4 pairs)"
    noisy, own = found["denoising"]
    assert (own["noise"], own["pgap"]) == ("pairs", 0)
    assert noisy["pgap"] == pytest.approx(own["psnr"] - noisy["psnr"])


@pytest.mark.slow
def test_a_table_of_synthetic_pairs_where_that_is_accepted(synthetic: Path, tmp_path: Path) -> None:
    flags = ("--denoising-table", "-m", "awgn", "--budget", "1s", "--runs", tmp_path / "runs", "--accept-synthetic")
    done = call("evaluate", synthetic, *flags, "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert [row["noise"] for row in json.loads(done.stdout)["denoising"]] == ["", "pairs", "awgn"]


@pytest.mark.parametrize("model", ["heteroscedastic", "nmflowgan"])
def test_noise_models_learn_from_any_pairs_and_say_of_which(model: str, synthetic: Path, tmp_path: Path) -> None:
    steps = ("--flow-steps", 1, "--spatial-steps", 1, "--batch", 1) if model == "nmflowgan" else ()
    done = call("train", synthetic, "--model", model, *steps, "-o", tmp_path / "run", "-q")
    assert done.exit_code == 0, done.stderr
    stated = "4 pairs of pairs: synthetic noise of isp (4 pairs)"
    assert read_header(Path(done.stdout.strip())).data == (stated,)
    card = (tmp_path / "run" / "card.md").read_text()
    assert f"- **Data**: {stated}\n" in card
    assert "real pairs" not in card


def test_pairs_are_counted_where_a_container_holds_stacks_of_them(tmp_path: Path) -> None:
    clean = photographs(tmp_path / "clean", ("a.png", "b.png"))
    root = made(tmp_path / "pairs", clean, *ISP, "--patch", 64, "--container", "hdf5")
    done = call("train", root, "--model", "awgn", "-o", tmp_path / "run", "-q")
    assert done.exit_code == 0, done.stderr
    assert read_header(Path(done.stdout.strip())).data == ("8 pairs of pairs: synthetic noise of isp (8 pairs)",)


def test_what_make_pairs_cuts_is_not_called_real(synthetic: Path, tmp_path: Path) -> None:
    done = call("make-pairs", synthetic, "--patch", 32, "-o", tmp_path / "again", "--container", "parquet")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[0].endswith("noise: isp")
    assert {pair.origin.noise for pair in read_paired(tmp_path / "again")[0]} == {"isp"}


def test_mistakes_in_the_command_come_before_the_origin(synthetic: Path, tmp_path: Path) -> None:
    table = ("evaluate", synthetic, "--denoising-table", "-m")
    for command, code, message in (
        ((*table, "awgn"), 2, "give --output and a folder"),
        ((*table, "awgn", "--runs", tmp_path / "x", "--budget", "long"), 2, "'long' is not a duration"),
        ((*table, "gone.safetensors", "--runs", tmp_path / "x"), 4, "gone.safetensors"),
        (("evaluate", synthetic, "--denoiser", "gone.safetensors"), 4, "gone.safetensors"),
    ):
        done = call(*command)
        assert (done.exit_code, done.stderr.count("\n")) == (code, 1)
        assert message in done.stderr


def test_the_path_as_a_user_types_it(tmp_path: Path) -> None:
    """By real processes, from photographs to the refusal."""
    clean, pairs, run = (tmp_path / name for name in ("clean", "pairs", "runs"))
    photographs(clean, ("a.png", "b.png"))

    def typed(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nmflowgan_cli", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert typed("make-pairs", clean, *ISP, *FIT, "-o", pairs).returncode == 0
    evaluated = typed("evaluate", pairs, "-m", "isp", "--patch", 64)
    assert (evaluated.returncode, evaluated.stderr.count("\n")) == (0, 1), evaluated.stderr
    assert evaluated.stdout.startswith("compared with synthetic noise of isp (8 pairs)\n")
    refused = typed("train", pairs, "--model", "dncnn", "--noise", "real", "-o", run)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert WAY_OUT in refused.stderr
    assert not run.exists()
