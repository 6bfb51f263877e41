"""Scores, CSV, JSON and tables of an evaluation; stacks of blocks; models that fail."""

import csv
import json
import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import REAL, Origin
from nmflowgan_cli.errors import NmflowganError, UsageError
from nmflowgan_cli.evaluation.latency import PICTURES, ROUNDS, SIDE, WARM_UP, latency
from nmflowgan_cli.evaluation.pair_scores import Candidate, Draw, Protocol
from nmflowgan_cli.evaluation.protocol import evaluate
from nmflowgan_cli.evaluation.selection import select
from nmflowgan_cli.report.csv_tables import noise_rows, write_csv
from nmflowgan_cli.report.noise_tables import noise_json, print_scores
from nmflowgan_cli.report.remarks import remarks

IP, S6 = Condition("IP", 100), Condition("S6", 800)
SMALL = Protocol(patch=16, step=16)


@dataclass(frozen=True)
class Made:
    """Real noise of a std around a grey level; `blocks` of them where there are several."""

    name: str
    condition: Condition = IP
    std: float = 5.0
    level: int = 128
    blocks: int = 0
    side: int = 48
    scene: str = ""
    split: str = "val"
    origin: Origin = REAL

    def size(self):
        return max(self.blocks, 1), self.side, self.side

    def load(self):
        shape = (self.blocks,) * (self.blocks > 0) + (self.side, self.side, 3)
        clean = np.full(shape, self.level, np.uint8)
        noise = np.random.default_rng(len(self.name)).normal(0, self.std, shape)
        return clean, np.rint(clean + noise).clip(0, 255).astype(np.uint8)


def _contender(name="model", fails=()):
    def synthesize(rgb, condition, key):
        if condition in fails:
            raise NmflowganError("the model gave values that are not numbers", "use --precision float32")
        counts = rgb + np.random.default_rng(key).normal(0, 5, rgb.shape).astype(np.float32)
        return Draw(np.floor(counts + 0.5).clip(0, 255).astype(np.uint8), counts)

    return Candidate(name, synthesize, lambda condition: None)


def test_blocks_of_one_photograph_are_pictures_that_are_drawn_together():
    found = evaluate([Made("a", blocks=3), Made("ab")], [_contender()], SMALL)
    [result] = found.results
    assert [(p.pictures, p.patches) for p in result.pictures] == [(3, 27), (1, 9)]
    assert result.cells[IP].pictures == 4
    assert result.cells[IP].patches == 36
    assert found.real[IP].histogram.sum() == 4 * 48 * 48 * 3


def test_several_draws_of_the_akld_begin_with_the_one_of_all_else():
    [one] = evaluate([Made("a")], [_contender()], SMALL).results
    [many] = evaluate([Made("a")], [_contender()], Protocol(16, 16, akld_draws=5)).results
    assert math.isnan(one.cells[IP].akld_draws)
    assert many.cells[IP].akld == one.cells[IP].akld
    assert many.cells[IP].kld == one.cells[IP].kld
    assert many.cells[IP].akld_draws == pytest.approx(one.cells[IP].akld, rel=0.2)
    assert many.cells[IP].akld_draws != one.cells[IP].akld


def test_a_model_that_gives_no_numbers_loses_the_pair_and_the_others_do_not():
    pairs, told = [Made("a"), Made("ab", S6)], []
    found = evaluate(
        pairs,
        [_contender("bad", {S6}), _contender("good")],
        SMALL,
        on_failure=lambda pair, error: told.append(str(error)),
    )
    bad, good = found.results
    assert told == ["bad: the model gave values that are not numbers (ab is left out of its scores)"]
    assert (bad.failed, list(bad.cells)) == (1, [IP])
    assert (good.failed, list(good.cells)) == (0, [IP, S6])
    assert remarks(found)[0] == "bad: 1 pairs that it failed on were left out"
    with pytest.raises(NmflowganError, match="not numbers"):
        evaluate(pairs, [_contender("bad", {S6})], SMALL)


def test_black_pictures_and_bins_of_few_pixels_are_named():
    black = evaluate([Made("a", std=0, level=0, side=32), Made("ab", S6, side=20)], [_contender()], SMALL)
    told = remarks(black)
    assert any(text.startswith("IP ISO 100: the noise of the pairs is the same everywhere") for text in told)
    assert any(text.startswith("S6 ISO 800: no 8 levels hold 500 pixels") for text in told)
    [result] = black.results
    assert math.isnan(result.cells[IP].std_ratio)
    assert result.mean_of_cells.std_ratio == result.cells[S6].std_ratio
    assert result.cells[IP].kld >= 0
    json.dumps(noise_json(black, {}), allow_nan=False)


def test_rows_hold_every_cell_camera_and_mean(tmp_path):
    pairs = [Made("a"), Made("ab"), Made("abc", Condition("IP", 800), 9), Made("abcd", S6)]
    found = evaluate(pairs, [_contender("one"), _contender("two")], SMALL)
    write_csv(tmp_path / "scores.csv", noise_rows(found))
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    places = [
        ("IP", "100"),
        ("IP", "800"),
        ("S6", "800"),
        ("IP", ""),
        ("S6", ""),
        ("mean of cameras", ""),
        ("mean of cells", ""),
    ]
    assert [(row["model"], row["camera"], row["iso"]) for row in rows] == [
        (model, *place) for model in ("one", "two") for place in places
    ]
    scores = found.results[0].cells[IP]
    assert float(rows[0]["kld"]) == scores.kld
    assert float(rows[0]["lags_real_2"]) == scores.lags_real[1]
    assert (float(rows[0]["kld_low"]), float(rows[0]["kld_high"])) == scores.kld_interval
    assert rows[0]["nll"] == ""
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_table1_is_in_the_json_and_in_the_tables(capsys):
    protocol = Protocol(16, 8, border=True, name="table1")
    found = evaluate([Made("a"), Made("ab", S6)], [_contender()], protocol)
    [model] = noise_json(found, {})["models"]
    assert model["table1"]["patches"] == {"IP": 25, "S6": 25}
    assert model["table1"]["kld"]["cameras"]["IP"] == pytest.approx(model["cameras"]["IP"]["kld"])
    assert model["table1"]["kld_official"]["patch_weighted"] == pytest.approx(model["mean_of_cameras"]["kld_official"])
    print_scores(found, official=True)
    printed = " ".join(capsys.readouterr().out.split())
    for text in ("paper's weights", "model, un-rounded", "IP 25, S6 25"):
        assert text in printed
    assert "Table I" not in json.dumps(noise_json(evaluate([Made("a")], [_contender()], SMALL), {}))


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_into_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    found = evaluate([Made("a"), Made("ab"), Made("abc", S6)], [_contender("model"), _contender("other")], SMALL)
    print_scores(found, cells=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("   ISO 100") for line in lines) == 2 * (2 if width < 120 else 1)
    scores = found.results[0].cells[IP]
    [told] = [line for line in lines if line.startswith("   ISO 100") and f" {scores.kld:.4f} " in line][:1]
    assert f"{scores.kld_interval[0]:.4f} to {scores.kld_interval[1]:.4f}" in told


def test_latency_is_the_median_of_rounds_after_a_warm_up():
    calls = []
    base = _contender("model")
    counted = Candidate("model", lambda *a: calls.append(a[0].shape) or base.synthesize(*a), base.check)
    ticks = iter([0, 4, 10, 11, 20, 22, 30, 39, 40, 43])
    found = latency(counted, IP, device=torch.device("cpu"), precision="auto", clock=lambda: next(ticks))
    assert (found.seconds, found.fastest, found.slowest) == (3, 1, 9)
    assert found.pixels_per_second == pytest.approx(16 * 256 * 256 / 3)
    assert calls == [(SIDE, SIDE, 3)] * (WARM_UP + ROUNDS * PICTURES)
    assert found.device.startswith("CPU")
    assert found.precision == "float32"


def test_splits_of_sidd_folders_are_those_of_the_paper(tmp_path):
    from PIL import Image

    for name in ("0054_003_N6_00100_00160_5500_L", "0004_001_S6_00100_00060_4400_L", "0199_010_GP_00800_01600_5500_N"):
        (tmp_path / name).mkdir()
        for kind in ("GT", "NOISY"):
            Image.new("RGB", (8, 8)).save(tmp_path / name / f"{name[:4]}_{kind}_SRGB_010.PNG")

    def chosen(split, **options):
        return [pair.name[:4] for pair in select(tmp_path, split, **options).pairs]

    assert chosen("all") == ["0004", "0054", "0199"]
    assert chosen("val") == chosen("nm-flowgan") == ["0054", "0199"]
    assert chosen("train") == ["0004"]
    assert chosen("001,003") == ["0004", "0054"]
    with pytest.raises(UsageError, match="holds nothing out"):
        chosen("denoiser")
    with pytest.raises(UsageError, match="no split and no scene"):
        chosen("test")


def test_at_most_so_many_pairs_of_a_condition(tmp_path, monkeypatch):
    pairs = [SimpleNamespace(condition=condition, name=str(n)) for n, condition in enumerate((IP, S6, IP, IP))]
    monkeypatch.setattr("nmflowgan_cli.evaluation.selection.read_paired", lambda *a, **k: (pairs, ""))
    assert [pair.name for pair in select(tmp_path, limit=2).pairs] == ["0", "1", "2"]
