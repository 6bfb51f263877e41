"""Page of denoisers: its numbers, galleries and verdict."""

import json
import re
from collections import Counter

import numpy as np
from html_reader import ODD, Reader

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.denoising.judge import PictureResult, Row, with_gaps
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.denoising_page import denoising_page
from nmflowgan_cli.report.denoising_tables import denoising_json
from nmflowgan_cli.report.page import Origin


def test_denoisers_have_a_page_of_their_own():
    places = Condition("IP", 100), Condition("Zenit & <Co>", 800)

    def row(name, noise, steps, *values):
        told = zip((ODD, "b"), places, values, strict=True)
        return Row(name, noise, steps, [PictureResult(picture, place, psnr, 0.91) for picture, place, psnr in told])

    rows = [row("noisy", "", 0, 30.0, 28.0), row("<real>", "real", 9, 34.0, 36.254), row("d", "awgn", 9, 33.0, 36.0)]
    rows = with_gaps(rows)
    shown = [np.full((4, 6, 3), 10 * index, np.uint8) for index in range(4)]
    example = Example(places[0], ODD, (3, 5), shown[0], shown[1], {"<real>": shown[2], "d": shown[3]})
    facts = denoising_json(rows, {"pairs": "x"})
    text = denoising_page(rows, Origin("nmflowgan evaluate 'a & b'", "x", facts), examples=[example])
    read = Reader(text)
    words = read.words
    assert "Best on 2 pictures is <real>: 35.13 dB against 29.00 dB" in words
    assert "d comes nearest to real noise: PGap 0.63 dB" in words
    assert "in dB: noisy 30.00, <real> 34.00, d 33.00." in words
    assert "Pictures are shown of 1 of 2 cameras and ISOs" in words
    for name in (ODD, "Zenit & <Co>", "nmflowgan evaluate 'a & b'", *facts["definitions"].values()):
        assert name in words
    radios = Counter(attributes["name"] for attributes in read.named("input"))
    assert sorted(radios.values()) == [3, 4]
    links = {attributes["href"][1:] for attributes in read.named("a")}
    assert links <= {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    assert json.loads(re.findall(r'id="measured">(.*?)</script>', text, re.DOTALL)[0]) == json.loads(json.dumps(facts))


def test_a_denoiser_that_makes_pictures_worse_is_named():
    def row(name, psnr):
        return Row(name, name, 1, [PictureResult("a", Condition("IP", 100), psnr, 0.9)])

    rows = [row("noisy", 30.0), row("d", 29.0)]
    words = Reader(denoising_page(rows, Origin("x", "x", denoising_json(rows, {})))).words
    assert "Best on one picture is d: 29.00 dB against 30.00 dB" in words
    assert "worse than no denoiser" in words
    assert "nearest" not in words
