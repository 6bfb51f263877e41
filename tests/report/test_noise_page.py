"""Page of noise models: well-formed, self-contained, escaped, with the numbers of the JSON."""

import json
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from html_reader import ODD, Reader
from PIL import Image

pytest.importorskip("matplotlib")

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import read_pairs
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.evaluation.protocol import Candidate, Draw, Protocol, evaluate
from nmflowgan_cli.report import crops
from nmflowgan_cli.report.noise_page import noise_page
from nmflowgan_cli.report.noise_tables import noise_json
from nmflowgan_cli.report.page import Origin

PROTOCOL = Protocol(patch=32, step=32, seed=3)
NAMES = ("good", "<b>bold</b>", 'half "known"')


def noisy(clean, std, seed):
    noise = np.random.default_rng(seed).normal(0, std, clean.shape)
    return np.rint(clean + noise).clip(0, 255).astype(np.uint8)


def candidate(name, std, known=()):
    def check(condition):
        if known and condition not in known:
            raise ConditionError(f"{condition} is unknown")

    return Candidate(
        name, lambda clean, _condition, key: Draw(noisy(clean, std, key % 2**32)), check, note=f"std {std}"
    )


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    clean = np.clip(np.add.outer(np.linspace(20, 160, 160), np.linspace(0, 70, 144))[..., None] + [0, 10, 20], 0, 255)
    rows = []
    for number, (camera, iso) in enumerate([("IP", 100), ("IP", 800), ("Zenit & <Co>", 800)]):
        for name in (f"{number}.png", f"{number}-{ODD}"):
            rows.append({"clean": f"clean-{name}", "noisy": name, "camera": camera, "iso": iso, "noise": "real"})
            Image.fromarray(clean.astype(np.uint8)).save(folder / f"clean-{name}")
            Image.fromarray(noisy(clean.astype(np.uint8), 4 + 3 * number, number)).save(folder / name)
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return read_pairs(folder)


@pytest.fixture(scope="module")
def entries():
    stds = zip(NAMES, (5, 12, 5), ((), (), (Condition("IP", 100),)), strict=True)
    return [candidate(name, std, known) for name, std, known in stds]


@pytest.fixture(scope="module")
def found(pairs, entries):
    return evaluate(pairs, entries, PROTOCOL, skip_unknown=True)


@pytest.fixture(scope="module")
def origin(found):
    facts = {"manifest": f"photos/{ODD}", "split": "all", "pairs": 6, "failed_pairs": []}
    return Origin("nmflowgan evaluate 'a & b' -m '<b>bold</b>'", "2024-02-29 12:00 UTC", noise_json(found, facts))


@pytest.fixture(scope="module")
def shown(pairs, entries, found):
    return crops.examples(pairs, entries, found.protocol, 2, conditions=found.real)


@pytest.fixture(scope="module")
def text(found, origin, shown):
    return noise_page(found, origin, examples=shown)


@pytest.fixture(scope="module")
def read(text):
    return Reader(text)


def test_the_page_is_well_formed_and_needs_nothing_else(text, read):
    assert text == text.encode().decode()
    assert "http" not in re.sub(r'<script type="application/json".*?</script>|base64,[^"]*|https://\S+', "", text)
    for attributes in read.named("img"):
        assert attributes["alt"]
        assert attributes["src"].startswith("data:image/")
    for tag, attributes in read.elements:
        assert not {"onclick", "onload", "srcset"} & attributes.keys()
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith(("#", "data:image/png"))
        assert tag not in ("link", "iframe", "object", "embed")
    assert not re.search(r"@import|url\((?!#)", text)
    assert [script["type"] for script in read.named("script")] == ["application/json"]
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in read.named("svg"))


def test_links_lead_somewhere_and_ids_are_unique(read):
    ids = Counter(attributes["id"] for _, attributes in read.elements if "id" in attributes)
    assert max(ids.values()) == 1
    links = {attributes["href"][1:] for attributes in read.named("a")}
    assert links <= ids.keys()
    assert {"summary", "about", "definitions", "camera-1-iso-100", "camera-2-iso-800"} <= links
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_are_escaped(text, read):
    assert "<b>" not in text
    assert "<Co>" not in text
    assert "<i>" not in text
    words = read.words
    for name in (*NAMES, "Zenit & <Co>", f"photos/{ODD}", "nmflowgan evaluate 'a & b' -m '<b>bold</b>'"):
        assert name in words


def test_the_numbers_are_those_of_the_json(text, read, origin):
    [embedded] = re.findall(r'<script type="application/json" id="measured">(.*?)</script>', text, re.DOTALL)
    assert json.loads(embedded) == json.loads(json.dumps(origin.measured))

    def numbers(value):
        if isinstance(value, dict):
            return {number for item in value.values() for number in numbers(item)}
        if isinstance(value, list | tuple):
            return {number for item in value for number in numbers(item)}
        return {float(value)} if isinstance(value, int | float) else set()

    told = {float(attributes["value"]) for attributes in read.named("data")}
    assert told <= numbers(origin.measured["models"])
    for model in origin.measured["models"]:
        for scores in (model["mean_of_cameras"], *model["cameras"].values(), *model["cells"]):
            assert {scores["kld"], scores["std_ratio"], *scores["lags_fake"], *scores["lags_real"]} <= told
        assert {*model["mean_of_cameras"]["kld_interval"]} <= told


def test_a_number_is_the_rounded_one_of_its_full_value(text):
    shown = re.findall(r'<data value="([^"]*)"[^>]*>([^<]*)</data>', text)
    assert len(shown) > 100
    for full, rounded in shown:
        digits = len(rounded.partition(".")[2])
        assert abs(float(full) - float(rounded)) <= 0.5000001 * 10**-digits
        assert not re.fullmatch(r"-0\.0*", rounded)


def test_the_verdict_names_the_best_model(found, read):
    words = read.words
    best = min(found.results, key=lambda result: result.mean_of_cameras.kld)
    assert f"{best.name} is closest to the real noise" in words
    assert f"KLD {best.mean_of_cameras.kld:.4f}" in words
    assert "Some models left out pairs" in words
    assert "Pictures are shown of 2 of 3 cameras and ISOs" in words


def test_a_condition_has_plots_of_the_models_that_know_it(read):
    labels = [svg["aria-label"] for svg in read.named("svg") if "aria-label" in svg]
    assert sum(label.startswith("std of the") for label in labels) == 3 * 3
    assert sum(label.startswith("mean of the") for label in labels) == 3 * 3
    assert sum(label.startswith("histograms") for label in labels) == 3
    assert sum("spatial correlation" in label for label in labels) == (1 + 3) + (1 + 2) + (1 + 2)


def test_pictures_can_be_flipped_between(read, shown):
    radios = [attributes for attributes in read.named("input") if attributes["type"] == "radio"]
    groups = Counter(radio["name"] for radio in radios)
    assert sorted(groups.values()) == sorted(
        number for one in shown for number in (2 + len(one.made), 1 + len(one.made))
    )
    assert Counter(radio["name"] for radio in radios if "checked" in radio) == dict.fromkeys(groups, 1)
    assert len(read.named("img")) == len(radios)


def test_a_report_is_the_same_whatever_made_it(found, origin, shown, text, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    assert noise_page(found, origin, examples=shown) == text


def test_optional_measurements_are_shown(pairs, entries):
    found = evaluate(pairs[:4], entries[:1], Protocol(32, 32, name="table1"))
    times = {"name": "good", "seconds": 0.25, "fastest": 0.2, "slowest": 0.3, "pixels_per_second": 4e6}
    times |= {"pictures": 16, "side": 256, "rounds": 5, "device": "CPU <x>", "precision": "float32"}
    facts = noise_json(found, {"manifest": "x", "split": "all", "pairs": 4, "failed_pairs": ["a <b>.png"]})
    facts |= {"latency": [times], "remarks": ["this & that"]}
    words = Reader(noise_page(found, Origin("x", "x", facts))).words
    for told in ("CPU <x>, float32", "250.0", "4.00", "this & that", "failed pairs a <b>.png", "paper's weights"):
        assert told in words
    assert f"{facts['models'][0]['table1']['kld']['cameras']['IP']:.4f}" in words


def test_noise_that_is_none_and_pictures_without_areas_have_a_report_too(tmp_path):
    black = np.zeros((40, 40, 3), np.uint8)
    Image.fromarray(black).save(tmp_path / "black.png")
    (tmp_path / "manifest.csv").write_text("clean,noisy,camera,iso,noise\nblack.png,black.png,IP,100,real\n")
    silent = Candidate("silent", lambda clean, _condition, _key: Draw(clean), lambda _condition: None)
    pairs = read_pairs(tmp_path)
    found = evaluate(pairs, [silent], PROTOCOL)
    shown = crops.examples(pairs, [silent], PROTOCOL, 1, conditions=found.real)
    facts = {"manifest": "x", "split": "all", "pairs": 1, "failed_pairs": []}
    words = Reader(noise_page(found, Origin("x", "x", noise_json(found, facts)), examples=shown)).words
    assert "silent, against the real noise of one camera: KLD 0.0000. " in words
    assert "nan" not in words


def test_the_command_writes_a_report(tmp_path, pairs):
    folder = pairs[0].clean.parent
    report = tmp_path / "report.html"
    command = [sys.executable, "-m", "nmflowgan_cli", "evaluate", folder, "-m", "awgn", "--report", report, "--json"]
    done = subprocess.run([*map(str, command), "--gallery", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{report}: " in done.stderr
    text = report.read_text()
    words = Reader(text).words
    assert f"nmflowgan evaluate {folder} -m awgn --report {report} --json --gallery 1" in words
    assert "Pictures are shown of 1 of 3" in words
    [embedded] = re.findall(r'<script type="application/json" id="measured">(.*?)</script>', text, re.DOTALL)
    assert json.loads(embedded) == json.loads(done.stdout)


@pytest.mark.parametrize(("flag", "package"), [("-m", "matplotlib"), ("-m", "jinja2"), ("--denoiser", "jinja2")])
def test_the_command_names_a_missing_package_before_it_works(tmp_path, flag, package):
    code = (
        "import sys, importlib.util as u\nfind = u.find_spec\n"
        f"u.find_spec = lambda name, *rest: None if name == '{package}' else find(name, *rest)\n"
        "from nmflowgan_cli.cli import app\napp(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "evaluate", "gone.csv", flag, "awgn", "--report", str(tmp_path / "r.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --report needs the package {package} (pip install {package})\n"


def test_the_command_refuses_a_folder_as_a_report(tmp_path):
    command = [sys.executable, "-m", "nmflowgan_cli", "evaluate", "gone.csv", "-m", "awgn", "--report", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is a folder" in done.stderr
