"""Noise profiles as a user meets them: --like and --profile, and `nmflowgan profile`, in real processes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import photograph
from PIL import Image
from profile_examples import UNKNOWN, WHOLE
from raw_files import dng

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.profiles import default_isp
from nmflowgan_cli.imaging import Picture, read, size, write
from nmflowgan_cli.profiles.files import read_profile, write_profile
from nmflowgan_cli.synthesis.engine import synthesize

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
MAKE, MODEL, EXIF, ISO = 271, 272, 34665, 34855


def call(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def noisy_picture(seed: int) -> np.ndarray:
    """Broad gradients with the noise of a Google Pixel, (192, 256, 3) uint8."""
    down, right = np.mgrid[:192, :256]
    clean = np.stack([20 + right * 0.7, 30 + down * 0.9, 220 - right * 0.4 - down * 0.3], 2).astype(np.uint8)
    return synthesize(default_isp(), clean, Condition("GP", 3200), seed)


def with_exif(path: Path, rgb: np.ndarray, model: str, iso: int) -> None:
    exif = Image.Exif()
    exif[MAKE], exif[MODEL] = "NIKON CORPORATION", model
    exif.get_ifd(EXIF)[ISO] = iso
    Image.fromarray(rgb).save(path, exif=exif)


def records(folder: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(folder, "manifest.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: three clean pictures, three noisy ones, and two profiles."""
    for number, name in enumerate(("a.png", "b.png", "sub/c.png")):
        write(tmp_path / "clean" / name, Picture(photograph(70 + number, 81, number)))
    write(tmp_path / "noisy.png", Picture(noisy_picture(1)))
    with_exif(tmp_path / "known.png", noisy_picture(2), "NIKON D800", 6400)
    with_exif(tmp_path / "other.png", noisy_picture(3), "NIKON D800", 800)
    write_profile(tmp_path / "known.json", WHOLE)
    write_profile(tmp_path / "unknown.json", UNKNOWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_like_simply_works_and_goes_on_and_is_verified_and_repaired() -> None:
    done = call("synthesize", "clean", "--like", "noisy.png", "-o", "out")
    assert "estimated the noise of noisy.png" in done.stderr
    made = records("out")
    digest = hashlib.sha256(Path("noisy.png").read_bytes()).hexdigest()
    assert {(one["camera"], one["iso"]) for one in made} == {("like noisy.png", 0)}
    assert [one["references"] for one in made] == [[digest]] * 3
    [kept] = Path("out").glob("profile-*.json")
    assert {one["weights_sha256"] for one in made} == {hashlib.sha256(kept.read_bytes()).hexdigest()}
    assert call("verify", "out").stderr == "outputs: 3, all as recorded\n"

    whole = Path("out/a.png").read_bytes()
    Path("out/a.png").unlink()
    again = call("synthesize", "clean", "--like", "noisy.png", "-o", "out", "--resume")
    assert "estimated" not in again.stderr
    assert "done: 1, skipped: 2" in again.stderr
    assert Path("out/a.png").read_bytes() == whole
    Path("out/a.png").unlink()
    Path("noisy.png").unlink()  # the profile beside the manifest is enough
    call("verify", "out", "--repair")
    assert Path("out/a.png").read_bytes() == whole
    kept.write_bytes(kept.read_bytes() + b" ")
    assert "altered: profile-" in call("verify", "out", code=3).stdout


def test_a_fitted_profile_and_like_are_the_same_noise() -> None:
    """Camera and ISO come from EXIF; fitting is deterministic; -w takes a profile too."""
    call("profile", "fit", "known.png", "-o", "mine.json", "-q")
    profile = read_profile(Path("mine.json"))
    assert (profile.name, profile.way, profile.iso_known) == ("Nikon D800", "pictures", True)
    assert list(profile.camera.noise) == [6400]
    call("synthesize", "clean", "--like", "known.png", "-o", "like", "-q")
    call("synthesize", "clean", "-w", "mine.json", "-o", "file", "-q")
    assert {(one["camera"], one["iso"]) for one in records("file")} == {("Nikon D800", 6400)}
    for name in ("a.png", "b.png", "sub/c.png"):
        assert Path("like", name).read_bytes() == Path("file", name).read_bytes()
    strength = [np.std(read(Path("file", n)).rgb.astype(int) - read(Path("clean", n)).rgb) for n in ("a.png", "b.png")]
    assert min(strength) > 1


def test_noise_of_a_profile_does_not_depend_on_tiles_order_or_shards() -> None:
    noise = ("--profile", "known.json", "-i", "800", "-q")
    call("synthesize", "clean", *noise, "-o", "whole")
    call(
        "synthesize",
        "clean/sub",
        "clean/b.png",
        "clean/a.png",
        *noise,
        "--relative-to",
        "clean",
        "--tile",
        64,
        "-o",
        "x",
    )
    for shard in ("1/2", "2/2"):
        call("synthesize", "clean", *noise, "-o", "shards", "--shard", shard)
    for name in ("a.png", "b.png", "sub/c.png"):
        assert Path("whole", name).read_bytes() == Path("x", name).read_bytes() == Path("shards", name).read_bytes()
    call("verify", "shards")


def test_the_manifest_says_what_was_extrapolated() -> None:
    call("synthesize", "clean/a.png", "--profile", "known.json", "-i", "12800", "-o", "far", "-q")
    [record] = records("far")
    assert record["extrapolated"]["iso"] == 12800  # type: ignore[index]
    refused = call("synthesize", "clean", "--profile", "known.json", "-i", "400000", "-o", "x", code=2)
    assert "ISO 25 to 102400; trained at 100, 6400" in refused.stderr
    several = call("synthesize", "clean", "--profile", "known.json", "-o", "x", code=2)
    assert "an ISO must be chosen" in several.stderr


def test_pairs_of_an_unknown_iso_can_be_made_judged_and_learned_from() -> None:
    noise = ("--profile", "unknown.json")
    refused = call("make-pairs", "clean", *noise, "-i", "800", "-o", "x", code=2)
    assert "leave out --iso" in refused.stderr
    call("make-pairs", "clean", *noise, "--patch", 64, "-o", "pairs", "-q")
    assert {record["iso"] for record in records("pairs")} == {0}
    assert {tuple(record["references"]) for record in records("pairs")} == {("0" * 64, "f" * 64)}  # type: ignore[arg-type]
    assert call("verify", "pairs").returncode == 0
    call("make-pairs", "clean", *noise, "--patch", 64, "-o", "pairs", "--resume")
    judged = call(
        "evaluate", "pairs", "--patch", 32, *noise, "--like", "noisy.png", "-w", "known.json", "--skip-unknown"
    )
    assert "in place of every camera's" in judged.stdout


def test_white_balance_can_be_given() -> None:
    call("synthesize", "clean/a.png", "--profile", "unknown.json", "--white-balance", "2,1.5", "-o", "a", "-q")
    [kept] = Path("a").glob("profile-*.json")
    assert read_profile(kept).camera.white_balance == ((2.0, 2.0), (1.5, 1.5))
    for wrong in ("2", "2,x", "0,1", "2,1.5,1", "nan,1"):
        refused = call("synthesize", "clean", "--profile", "unknown.json", "--white-balance", wrong, "-o", "b", code=2)
        assert "white balance" in refused.stderr


def test_a_camera_is_simulated_by_its_profile() -> None:
    few = ("--flow-steps", 1, "--spatial-steps", 1, "--batch", 2, "--validate-every", 1, "-q")
    call(
        "train", "--simulate", "clean", "--profile", "known.json", "--profile", "unknown.json", "-o", "r", *few, code=2
    )
    profile = json.loads(Path("unknown.json").read_text())
    Path("second.json").write_text(json.dumps({**profile, "name": "Second"}))
    call("train", "--simulate", "clean", "--profile", "known.json", "--profile", "second.json", "-o", "r", *few)
    info = json.loads(call("weights", "info", "r/model.safetensors", "--json").stdout)
    assert set(info["cameras"]) == {WHOLE.name, "Second"}
    call("synthesize", "clean/a.png", "-w", "r/model.safetensors", "-c", "Second", "-i", "random", "-o", "s", "-q")


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("--profile", "absent.json"), 4, "cannot read the profile absent.json"),
        (("--profile", "clean/a.png"), 4, "clean/a.png is damaged or no profile"),
        (("--profile", "known.json", "-w", "isp"), 2, "--weights and --profile both say which noise"),
        (("--like", "absent.png"), 2, "absent.png does not exist"),
        (("--like", "known.png", "--like", "other.png"), 2, "other.png: Nikon D800, ISO 800"),
        (("--like", "clean/a.png", "--like", "known.json"), 3, "known.json is not supported"),
        (("-w", "isp", "-c", "IP", "-i", "800", "--white-balance", "2,2"), 2, "isp takes no white balance"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], code: int, problem: str) -> None:
    done = call("synthesize", "clean", *arguments, "-o", "out", code=code)
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("out").exists()


def test_profiles_without_pictures() -> None:
    dng(Path("shot.dng"), (2e-4, 1e-7, 3e-4, 2e-7, 5e-4, 3e-7))
    call("profile", "make", "--raw", "shot.dng", "-o", "raw.json")
    profile = read_profile(Path("raw.json"))
    assert (profile.name, profile.way, profile.camera.noise) == ("NIKON D800", "raw", {1600: (3e-4, 2e-7)})
    assert profile.camera.white_balance == ((2.0, 2.0), (1.25, 1.25))
    assert np.allclose(np.sum(profile.camera.matrix, 1), 1, atol=1e-5)
    call(
        "profile", "make", "--shot", "0.006", "--read", "0.0001", "--camera", "X100", "--iso", "3200", "-o", "hand.json"
    )
    assert read_profile(Path("hand.json")).camera.noise == {3200: (0.006, 0.0001)}
    call("profile", "make", "--camera", "Nikon D800", "--iso", "6400", "-o", "d800.json")
    assert list(read_profile(Path("d800.json")).camera.noise) == [6400]
    for mistake, problem in (
        (("--raw", "noisy.png"), "noisy.png is no DNG"),
        (("--shot", "0.1"), "--shot and --read belong together"),
        (("--shot", "0.1", "--read", "0", "--raw", "shot.dng"), "both say the noise"),
        ((), "no camera, raw file or numbers"),
        (("--camera", "Nikon D800", "-o", "mine.txt"), "a profile is a .json file"),
        (("--camera", "Nikon D800", "-o", "hand.json"), "hand.json already exists"),
    ):
        code = 3 if "noisy.png" in mistake else 2
        assert problem in call("profile", "make", "-o", "new.json", *mistake, code=code).stderr
    dng(Path("silent.dng"), ())
    assert "no usable NoiseProfile" in call("profile", "make", "--raw", "silent.dng", "-o", "s.json", code=3).stderr
    Path("cut.dng").write_bytes(Path("shot.dng").read_bytes()[:60])
    call("profile", "make", "--raw", "cut.dng", "-o", "s.json", code=3)


def test_show_prints_and_draws() -> None:
    shown = call("profile", "show", "known.json").stdout
    for text in (
        WHOLE.name,
        "0.01712 +- 2 %",
        "ISO 25 to 102400",
        "12 to 200",
        "14.5 counts",
        "b.jpg",
        WHOLE.remarks[0],
    ):
        assert text in shown
    assert "unknown" in call("profile", "show", "unknown.json").stdout
    drawn = call("profile", "show", "unknown.json", "--plots", "plots", "--json")
    assert json.loads(drawn.stdout)["name"] == UNKNOWN.name
    names = {path.name for path in Path("plots").iterdir()}
    assert names == {"levels.png", "correlation.png", "spectrum.png", "photograph.png"}
    assert min(min(size(path)) for path in Path("plots").iterdir()) > 200
