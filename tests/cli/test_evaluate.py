"""`nmflowgan evaluate` as a process, on small generated pairs."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from fakes import VOCABULARY, save_untrained
from PIL import Image

from nmflowgan_cli.checkpoints.format import Header, load_weights, save_weights

HEADER = "clean,noisy,camera,iso,scene,split,noise"
STDS = {("IP", 100): 3.0, ("IP", 800): 9.0, ("S6", 800): 6.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Independent normal noise on a smooth picture: two pictures of each condition, one of them for validation."""
    folder, random = tmp_path_factory.mktemp("pairs"), np.random.default_rng(5)
    clean = np.add.outer(np.linspace(60, 110, 100), np.linspace(0, 60, 200))[..., None] + [0, 10, 20]
    rows = [HEADER]
    for (camera, iso), std in STDS.items():
        for split in ("train", "val"):
            name = f"{camera}_{iso}_{split}.png"
            noisy = np.rint(clean).clip(0, 255) + random.normal(0, std, clean.shape)
            Image.fromarray(np.rint(clean).astype(np.uint8)).save(folder / f"clean_{name}")
            Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8)).save(folder / name)
            rows.append(f"clean_{name},{name},{camera},{iso},{name},{split},real")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def _evaluate(*arguments):
    command = [sys.executable, "-m", "nmflowgan_cli", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_awgn_is_found_out_to_be_right_where_it_is(data):
    done = _evaluate(data, "-m", "awgn", "-m", "heteroscedastic", "--json", "--official")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["data"]["pairs"], found["data"]["noise"], found["remarks"]) == (6, "real noise (6 pairs)", [])
    told = {"patch": 96, "step": 96, "seed": 0, "border": False, "akld_draws": 1, "nll": False, "name": "patches"}
    assert found["protocol"] == told
    assert "kld" in found["definitions"]
    for model in found["models"]:
        assert "the very pairs" in model["note"]
        mean = model["mean_of_cameras"]
        assert mean["kld"] < 0.001 < mean["kld_official"]
        assert mean["patches"] == 12
        assert mean["kld_interval"][0] <= mean["kld"] <= mean["kld_interval"][1]
        assert mean["std_error"] < 0.03
        assert mean["lags_difference"] < 0.02
        assert mean["channels_difference"] < 0.03
        assert mean["self_floor"] < 0.002
        cells = {(cell["camera"], cell["iso"]): cell["std_real"] for cell in model["cells"]}
        assert cells == pytest.approx(STDS, rel=0.05)
        cameras = model["cameras"]
        assert mean["kld"] == pytest.approx((cameras["IP"]["kld"] + cameras["S6"]["kld"]) / 2)


def test_the_table_and_a_fit_on_other_pairs(data):
    arguments = (data, "-m", "awgn", "--split", "val", "--fit-split", "train", "--cells")
    done = _evaluate(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("compared with real noise (3 pairs); 3 other pairs of the data are left out\n")
    assert "fitted on the train pairs" in done.stdout
    for row in ("IP", "ISO 100", "ISO 800", "S6", "mean of cameras", "mean of cells"):
        assert row in done.stdout
    assert _evaluate(*arguments).stdout == done.stdout
    assert _evaluate(*arguments, "--seed", 1).stdout != done.stdout


def test_a_damaged_pair_is_named_and_the_others_are_done(data):
    rows = (data / "manifest.csv").read_text()
    (data / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (50, 50)).save(data / "small.png")
    broken = rows + "broken.png,broken.png,IP,800,x,train,real\nsmall.png,small.png,IP,800,x,train,real\n"
    (data / "broken.csv").write_text(broken)
    done = _evaluate(data / "broken.csv", "-m", "awgn", "--json")
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first.startswith("error:")
    assert "broken.png" in first
    assert "only 50x50 pixels" in second
    found = json.loads(done.stdout)
    assert found["data"]["failed_pairs"] == ["broken.png", "small.png"]
    assert found["models"][0]["mean_of_cells"]["pictures"] == 6


def test_a_model_that_does_not_know_a_camera(data):
    (data / "new.csv").write_text(
        (data / "manifest.csv")
        .read_text()
        .replace(",S6,", ",Zenit,")
        .replace("IP,100,IP_100_train.png,train", "IP,100,x,val")
    )
    arguments = (data / "new.csv", "-m", "awgn", "--split", "val", "--fit-split", "train")
    done = _evaluate(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: awgn: ISO 100 is outside")
    assert "--skip-unknown" in done.stderr
    done = _evaluate(*arguments, "--skip-unknown")
    assert done.returncode == 0
    assert "2 pairs skipped" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("gone.csv", "-m", "awgn"), 2, "gone.csv does not exist"),
        (("{data}", "-m", "awgn", "--split", "test"), 2, "'test' is no split and no scene"),
        (("{data}", "-m", "awgn", "-m", "awgn"), 2, "named twice"),
        (("{data}", "-m", "gone.safetensors"), 4, "gone.safetensors"),
        (("{data}", "-m", "awgn", "--protocol", "table1", "--patch", "64"), 2, "leave out --patch"),
        (("{data}", "-m", "awgn", "--csv", "{data}"), 2, "is a folder"),
        (("{data}", "-m", "awgn", "--split", "denoiser"), 2, "no SIDD scene instance|holds nothing out"),
        (("{data}", "-m", "awgn", "--device", "abacus"), 2, "unknown device 'abacus'"),
    ],
)
def test_one_line_for_a_mistake(data, arguments, code, said):
    done = _evaluate(*(argument.format(data=data) for argument in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert re.search(said, done.stderr)
    assert done.stderr.count("\n") == 1


def test_pairs_of_different_size_and_black_ones_are_named(data):
    Image.new("RGB", (200, 100)).save(data / "black.png")
    Image.new("RGB", (120, 100)).save(data / "narrow.png")
    rows = ["black.png,black.png,IP,3200,b,train,real", "black.png,narrow.png,IP,100,n,train,real"]
    (data / "odd.csv").write_text("\n".join([(data / "manifest.csv").read_text().strip(), *rows]) + "\n")
    done = _evaluate(data / "odd.csv", "-m", "awgn", "--json")
    assert done.returncode == 3
    first, note = done.stderr.splitlines()
    assert "narrow.png differ in size: 200x100 and 120x100" in first
    assert note.startswith("note: IP ISO 3200: the noise of the pairs is the same everywhere (black pictures?)")
    found = json.loads(done.stdout)
    assert found["data"]["failed_pairs"] == ["narrow.png"]
    assert found["remarks"] == [note.removeprefix("note: ")]
    cells = {cell["iso"]: cell["std_ratio"] for cell in found["models"][0]["cells"] if cell["camera"] == "IP"}
    assert cells[3200] is None
    assert cells[100] == pytest.approx(1, abs=0.05)


def test_weights_that_give_no_numbers_are_named_and_the_others_are_judged(data, tmp_path):
    header = Header(architecture="paper", options={"widths": [4, 4, 4, 4, 4]}, vocabulary=VOCABULARY, name="bad")
    weights = save_untrained(tmp_path / "bad.safetensors", header)
    state, header = load_weights(weights)
    save_weights(weights, {name: tensor * float("nan") for name, tensor in state.items()}, header)
    done = _evaluate(data, "-m", weights, "-m", "awgn", "--split", "val", "--skip-unknown", "--json")
    assert done.returncode == 3
    *errors, note = done.stderr.splitlines()
    assert len(errors) == 2
    assert all("bad.safetensors: the model gave values that are not numbers" in error for error in errors)
    assert "bad.safetensors has no scores" in note
    found = json.loads(done.stdout)
    assert [model["name"] for model in found["models"]] == ["awgn"]
    assert found["data"]["failed_pairs"] == ["IP_100_val.png", "IP_800_val.png"]


def test_the_paper_s_table_and_all_that_may_be_asked_for(data, tmp_path):
    table = tmp_path / "scores.csv"
    asked = ("--protocol", "table1", "--nll", "--akld-draws", 2, "--latency", "--csv", table, "--json")
    done = _evaluate(data, "-m", "awgn", "-m", "oracle", *asked)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["data"]["split"], found["data"]["pairs"]) == ("val", 3)
    assert (found["protocol"]["step"], found["protocol"]["border"]) == (48, True)
    awgn, oracle = found["models"]
    assert "the train pairs" in awgn["note"]
    assert awgn["table1"]["patches"] == {"IP": 2 * 2 * 4, "S6": 2 * 4}
    assert awgn["table1"]["kld"]["paper_weighted"] < 0.001 < awgn["table1"]["kld_official"]["paper_weighted"]
    assert oracle["mean_of_cameras"]["nll"] is None
    assert 3 < awgn["mean_of_cameras"]["nll"] < 6
    assert awgn["mean_of_cameras"]["akld_draws"] == pytest.approx(awgn["mean_of_cameras"]["akld"], rel=0.2)
    assert [each["name"] for each in found["latency"]] == ["awgn", "oracle"]
    assert all(each["pixels_per_second"] > 0 for each in found["latency"])
    assert len(table.read_text().splitlines()) == 1 + 2 * (3 + 2 + 2)


def test_clean_and_noisy_folders_need_a_camera_and_an_iso(data, tmp_path):
    for side, name in (("clean", "clean_IP_100_val.png"), ("noisy", "IP_100_val.png")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.png").write_bytes((data / name).read_bytes())
    refused = _evaluate(tmp_path, "-m", "awgn")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--camera and --iso" in refused.stderr
    done = _evaluate(tmp_path, "-m", "awgn", "--camera", "iphone 7", "--iso", 100, "--json")
    assert done.returncode == 0


def test_one_camera_alone_is_evaluated_by_its_name(data):
    done = _evaluate(data, "-m", "awgn", "--camera", "galaxy s6", "--json")
    found = json.loads(done.stdout)
    assert (found["data"]["pairs"], {cell["camera"] for cell in found["models"][0]["cells"]}) == (2, {"S6"})
    refused = _evaluate(data, "-m", "awgn", "--camera", "GP")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "camera 'GP' is unknown" in refused.stderr
