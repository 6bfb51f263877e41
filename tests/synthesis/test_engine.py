"""Laws of the engine: the noise depends on the picture, its key and the condition, and on nothing else."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from fakes import ConvolutionNoise, StatisticalNoise, photograph

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.hub import resolve
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, NmflowganError, OutOfMemoryError, PictureError, UsageError
from nmflowgan_cli.models.base import Code, Draws, Fields, encode
from nmflowgan_cli.randomness import PictureFields, picture_key
from nmflowgan_cli.runtime import bfloat16_pays, lanes, resolve_device
from nmflowgan_cli.synthesis.engine import synthesize

KEY = picture_key(0, "picture.png", 0)
IP = Condition("IP", 400)


@pytest.mark.parametrize("model", [ConvolutionNoise(), StatisticalNoise(), ConvolutionNoise(border=0, multiple=16)])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (65, 64), (150, 331)])
def test_tiles_and_batches_change_no_bit(model: ConvolutionNoise, size: tuple[int, int]) -> None:
    rgb = photograph(*size)
    untiled = synthesize(model, rgb, IP, KEY, tile=4096)
    assert untiled.shape == rgb.shape
    assert untiled.dtype == np.uint8
    for tile, batch in ((64, 1), (64, 3), (96, 8), (128, 2)):
        assert np.array_equal(synthesize(model, rgb, IP, KEY, tile=tile, batch=batch), untiled), (tile, batch)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_number_of_lanes_changes_no_bit(count: int) -> None:
    rgb, before = photograph(150, 331), torch.get_num_threads()
    expected = synthesize(ConvolutionNoise(), rgb, IP, KEY)
    with lanes("cpu", count) as shared:
        assert np.array_equal(synthesize(ConvolutionNoise(), rgb, IP, KEY, tile=64, lanes=shared), expected)
    assert torch.get_num_threads() == before


def test_it_is_the_model_of_the_whole_picture() -> None:
    """Against the model called by hand on the padded picture."""
    rgb, model = photograph(80, 104), ConvolutionNoise()
    padded = np.pad(rgb, ((4, 4), (4, 4), (0, 0)), "reflect")
    fields = PictureFields(KEY)
    clean, latent, uniform = (
        torch.as_tensor(array, dtype=torch.float32)[None]
        for array in (padded.transpose(2, 0, 1), fields.latent(-4, -4, 88, 112), fields.uniform(-4, -4, 88, 112))
    )
    counts = model.sample(clean, encode(model.vocabulary, [IP]), Fields(latent, uniform))[0, :, 4:-4, 4:-4]
    expected = np.clip(np.floor(counts.numpy().transpose(1, 2, 0) + 0.5), 0, 255)
    assert np.abs(synthesize(model, rgb, IP, KEY).astype(int) - expected).max() <= 1
    assert (synthesize(model, rgb, IP, KEY) == expected).mean() > 0.999


def test_seeds_repeats_paths_and_conditions_differ() -> None:
    rgb, model = photograph(64, 64), ConvolutionNoise()
    keys = [picture_key(seed, path, repeat) for seed in (0, 1) for path in ("a", "b") for repeat in (0, 1)]
    results = [synthesize(model, rgb, IP, key) for key in keys]
    results += [synthesize(model, rgb, condition, KEY) for condition in (Condition("IP", 800), Condition("GP", 400))]
    assert len({result.tobytes() for result in results}) == len(results)
    assert np.array_equal(results[0], synthesize(model, rgb, IP, keys[0]))


def test_rounding_is_half_up_and_clipped() -> None:
    class Shift(ConvolutionNoise):
        def sample(self, clean, code, fields, statistics=None):
            return torch.where(clean < 128, clean - 0.5, clean + 0.5)

    rgb = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    expected = np.where(rgb < 128, rgb.astype(int), np.minimum(rgb.astype(int) + 1, 255))
    assert np.array_equal(synthesize(Shift(), rgb, IP, KEY), expected)


class Hungry(ConvolutionNoise):
    """Fails as an allocator does for batches of more than `limit` pixels."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__()
        self.limit, self.error = limit, error

    def sample(self, clean, code: Code, fields, statistics=None):
        if clean.shape[0] * clean.shape[2] * clean.shape[3] > self.limit:
            raise self.error
        return super().sample(clean, code, fields, statistics)


ALLOCATION_ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", ALLOCATION_ERRORS, ids=lambda error: type(error).__name__)
def test_backs_off_when_memory_runs_out(error: Exception) -> None:
    rgb = photograph(200, 200)
    expected = synthesize(ConvolutionNoise(), rgb, IP, KEY)
    assert np.array_equal(synthesize(Hungry(80 * 80, error), rgb, IP, KEY, tile=512, batch=4), expected)
    with pytest.raises(OutOfMemoryError, match="out of memory"):
        synthesize(Hungry(60 * 60, error), rgb, IP, KEY)


def test_other_errors_of_the_model_are_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        synthesize(Hungry(0, RuntimeError("shapes differ")), photograph(8, 8), IP, KEY)
    with pytest.raises(NmflowganError, match="not numbers"):
        synthesize(Broken(), photograph(8, 8), IP, KEY)


class Broken(ConvolutionNoise):
    def sample(self, clean, code, fields, statistics=None):
        return clean * float("nan")


def test_refuses_what_it_cannot_do() -> None:
    model = ConvolutionNoise()
    with pytest.raises(ConditionError, match="ISO 100000"):
        synthesize(model, photograph(4, 4), Condition("IP", 100000), KEY)
    with pytest.raises(PictureError, match="float64"):
        synthesize(model, photograph(4, 4).astype(float), IP, KEY)
    with pytest.raises(PictureError, match=r"\(4, 4\)"):
        synthesize(model, photograph(4, 4)[..., 0], IP, KEY)
    with pytest.raises(UsageError, match="precision"):
        synthesize(model, photograph(4, 4), IP, KEY, precision="float128")
    with pytest.raises(UsageError, match="unknown device"):
        resolve_device("abacus")
    with pytest.raises(UsageError, match="cuda:99"):
        resolve_device("cuda:99")


class Light(ConvolutionNoise):
    def sample(self, clean, code, fields, statistics=None):
        return clean + fields.latent


def test_memory_grows_with_the_output_only() -> None:
    """What numpy takes beyond the output (tracemalloc sees that): one batch of tiles and the cache of the fields."""

    def extra(height: int) -> int:
        rgb = photograph(height, 256)
        tracemalloc.start()
        with ThreadPoolExecutor(1) as one_lane:  # with more, the peak depends on which tiles meet
            synthesize(Light(), rgb, IP, KEY, tile=128, lanes=one_lane)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - rgb.nbytes

    assert extra(5 * 1024) < extra(2 * 1024) + 300_000


def test_progress_reaches_one() -> None:
    shares: list[float] = []
    synthesize(ConvolutionNoise(), photograph(130, 70), IP, KEY, tile=64, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("model", [ConvolutionNoise(), StatisticalNoise()])
def test_float_counts_are_the_bytes_before_their_rounding(model: ConvolutionNoise) -> None:
    rgb = photograph(97, 150)
    counts = synthesize(model, rgb, IP, KEY, tile=64, dtype=np.float32)
    assert (counts.dtype, counts.shape) == (np.float32, rgb.shape)
    assert np.array_equal(np.floor(counts + np.float32(0.5)).clip(0, 255), synthesize(model, rgb, IP, KEY, tile=64))
    assert np.allclose(counts, synthesize(model, rgb, IP, KEY, dtype=np.float32), atol=1e-3)


class LatentNoise(ConvolutionNoise):
    """Looks at the latent field alone."""

    def sample(self, clean: torch.Tensor, code: Code, fields: Fields, statistics: object = None) -> torch.Tensor:
        self.channels = fields.uniform.shape[1]
        return clean + 5 * fields.latent


def test_a_model_that_does_without_the_uniform_field_makes_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rgb = LatentNoise(), photograph(65, 70)
    both = synthesize(model, rgb, IP, KEY)
    assert model.channels == 3
    monkeypatch.setattr(LatentNoise, "draws", Draws(uniform=0))
    assert np.array_equal(synthesize(model, rgb, IP, KEY), both)
    assert model.channels == 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_tiles_of_lite_change_no_bit_in_any_precision(precision: str) -> None:
    model, rgb = load_model(resolve("sidd-lite")), photograph(150, 331)
    whole = synthesize(model, rgb, IP, KEY, tile=4096, precision=precision)
    for tile in (64, 128):
        assert np.array_equal(synthesize(model, rgb, IP, KEY, tile=tile, precision=precision), whole)


@pytest.mark.parametrize("bears", [True, False])
def test_fast_is_what_the_processor_and_the_model_allow(bears: bool) -> None:
    model, rgb = load_model(resolve("sidd-lite")), photograph(80, 90)
    model.bears_bfloat16 = bears
    expected = "bfloat16" if bears and bfloat16_pays() else "float32"
    fast, exact = (synthesize(model, rgb, IP, KEY, precision=precision) for precision in ("fast", expected))
    assert np.array_equal(fast, exact)
