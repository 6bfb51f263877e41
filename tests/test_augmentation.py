"""AddCameraNoise: the same noise for the same name, whatever the batch, the type, the worker or the process."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import VOCABULARY, photograph
from torch.utils.data import DataLoader, Dataset

import nmflowgan_cli
from nmflowgan_cli import AddCameraNoise
from nmflowgan_cli.checkpoints.build import build
from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, PictureError, WeightsError
from nmflowgan_cli.imaging import luma

CLEAN = np.stack([photograph(24, 33, number) for number in range(4)])
PRECISE = ("float32", "fast")
TENSOR = torch.from_numpy(CLEAN).movedim(-1, 1)


def saved(folder: Path, architecture: str, options: dict[str, object]) -> Path:
    header = Header(architecture=architecture, options=options, vocabulary=VOCABULARY, name=f"small-{architecture}")
    path = folder / f"{architecture}.safetensors"
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        save_weights(path, build(header).state_dict(), header)  # type: ignore[attr-defined]
    return path


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("weights"), "lite", {"widths": [4, 4], "width": 4, "pointwise_width": 4})


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("weights"), "paper", {"widths": [4, 4, 4, 4, 4]})


def test_a_picture_has_the_same_noise_in_any_batch(lite: Path, paper: Path) -> None:
    for weights in (lite, paper, "isp"):
        noise = AddCameraNoise(weights, seed=3)
        whole = noise(CLEAN, index=range(4))
        assert whole.shape == CLEAN.shape
        assert whole.dtype == np.uint8
        for number in (2, 0):
            alone = noise(CLEAN[number], index=number)
            assert np.array_equal(alone, whole[number])
        assert not np.array_equal(whole[0], noise(CLEAN[0], index=4))
        assert not np.array_equal(whole[0], noise(CLEAN[0], index=0, repeat=1))
        assert not np.array_equal(whole[0], AddCameraNoise(weights, seed=4)(CLEAN[0], index=0))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_batches_that_share_a_pass_keep_all_bits(precision: str) -> None:
    """Patches of several sizes, in batches that fill a pass, that do not, and that need several."""
    noise = AddCameraNoise("sidd-lite", seed=5, precision=precision)
    for side, count in ((9, 3), (64, 30), (97, 9)):
        clean = np.stack([photograph(side, side + 7, number) for number in range(count)])
        whole = noise(clean, index=range(count))
        for first, last in ((0, 1), (1, 3), (2, count)):
            assert np.array_equal(noise(clean[first:last], index=range(first, last)), whole[first:last])


def test_models_that_do_not_bear_bfloat16_stay_in_float32() -> None:
    exact, fast = (AddCameraNoise("isp", precision=precision)(CLEAN, index=range(4)) for precision in PRECISE)
    assert np.array_equal(exact, fast)


def test_bfloat16_has_the_statistics_of_float32() -> None:
    """On the same seeds: bias, standard deviation and correlation of channels."""
    clean = np.stack([photograph(64, 64, number) for number in range(40)]).astype(np.float32) / 255
    noise = [
        AddCameraNoise("sidd-lite", precision=precision)(clean, index=range(40)) - clean
        for precision in ("float32", "bfloat16")
    ]
    exact, fast = ((255 * one).reshape(40, -1, 3) for one in noise)
    assert not np.array_equal(exact, fast)
    assert abs(fast.std() / exact.std() - 1) < 0.002
    assert abs(fast.mean() - exact.mean()) < 0.002 * exact.std()
    for one, other in ((0, 1), (1, 2)):
        channels = [np.corrcoef(values[..., one].ravel(), values[..., other].ravel())[0, 1] for values in (exact, fast)]
        assert abs(channels[0] - channels[1]) < 0.002


def test_noise_at_the_edge_of_a_patch_is_like_that_inside() -> None:
    """The outermost row of many flat patches against a row in the middle of the same Bayer colours."""
    clean = np.full((300, 32, 32, 3), 110, np.uint8)
    noise = AddCameraNoise("sidd-lite", camera="IP", iso=800)(clean, index=range(300)).astype(float) - 110
    edge, inside = noise[:, 0], noise[:, 16]
    assert edge.std() == pytest.approx(inside.std(), rel=0.02)
    assert abs(edge.mean() - inside.mean()) < 0.05 * inside.std()


def test_arrays_and_tensors_of_any_type_agree(lite: Path) -> None:
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    expected = noise(CLEAN, index=range(4))
    for kind in (torch.uint8, torch.float32, torch.float64, torch.float16):
        clean = TENSOR if kind == torch.uint8 else (TENSOR / 255).to(kind)
        noisy = noise(clean, index=range(4))
        assert noisy.dtype == kind
        assert noisy.shape == clean.shape
        counts = noisy.float() if kind == torch.uint8 else (noisy.float() * 255).round()
        assert np.array_equal(counts.movedim(1, -1).numpy(), expected)
    single = noise(TENSOR[1].float() / 255, index=1)
    assert single.shape == TENSOR[1].shape
    assert not single.requires_grad


def test_calls_count_on_and_start_again_with_the_seed() -> None:
    first, second = (AddCameraNoise("isp", seed=1) for _ in range(2))
    one, two = first(CLEAN[0]), first(CLEAN[0])
    assert not np.array_equal(one, two)
    assert np.array_equal(second(CLEAN[0]), one)
    copied = pickle.loads(pickle.dumps(second))
    assert np.array_equal(copied(CLEAN[0]), two)
    assert np.array_equal(second(CLEAN[:2])[0], two)


def test_the_global_generators_are_left_alone() -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global generator is what is tested
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    AddCameraNoise("isp")(CLEAN)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("camera", "iso", "expected"),
    [
        ("IP", 400, {Condition("IP", 400)}),
        ("iPhone 7", "400", {Condition("IP", 400)}),
        (["IP", "GP"], 100, {Condition("IP", 100), Condition("GP", 100)}),
        ("IP", [100, 3200], {Condition("IP", 100), Condition("IP", 3200)}),
        ("GP", "random", {Condition("GP", 100), Condition("GP", 800)}),
    ],
)
def test_conditions_are_drawn_from_what_was_asked(
    lite: Path, camera: str | list[str], iso: int | str | list[int], expected: set[Condition]
) -> None:
    noise = AddCameraNoise(lite, camera=camera, iso=iso)
    drawn = [noise.with_conditions(CLEAN[0, :4, :4], index=number).conditions[0] for number in range(12)]
    assert set(drawn) == expected
    ranged = AddCameraNoise(lite, camera="IP", iso="200-300").with_conditions(CLEAN, index=range(4)).conditions
    assert all(200 <= condition.iso <= 300 for condition in ranged)
    assert len(set(ranged)) > 1


def test_the_noise_is_stronger_at_a_higher_iso() -> None:
    flat = np.full((32, 32, 3), 90, np.uint8)
    low, high = (AddCameraNoise("isp", camera="S6", iso=iso)(flat).std() for iso in (100, 3200))
    assert high > 2 * low > 0


class Patches(Dataset[np.ndarray]):
    """A denoiser's data set; `indexed` noise, or noise by the count of calls."""

    def __init__(self, noise: AddCameraNoise, *, indexed: bool) -> None:
        self.noise, self.indexed = noise, indexed

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> np.ndarray:
        return self.noise(CLEAN[0, :8, :8], index=index if self.indexed else None)


def epochs(patches: Patches, workers: int, count: int = 1) -> list[np.ndarray]:
    loader = DataLoader(patches, batch_size=2, num_workers=workers, generator=torch.Generator().manual_seed(9))
    return [np.concatenate([batch.numpy() for batch in loader]) for _ in range(count)]


def test_workers_and_epochs_differ_and_the_same_seed_gives_the_same(lite: Path) -> None:
    patches = Patches(AddCameraNoise(lite, camera="IP", iso=400, seed=2), indexed=False)
    first, second = epochs(patches, 2, count=2)
    everything = {picture.tobytes() for picture in (*first, *second)}
    assert len(everything) == 16
    assert np.array_equal(epochs(patches, 2)[0], first)


def test_an_index_makes_workers_irrelevant(lite: Path) -> None:
    patches = Patches(AddCameraNoise(lite, camera="IP", iso=400, seed=2), indexed=True)
    alone = epochs(patches, 0)[0]
    assert len({picture.tobytes() for picture in alone}) == 8
    assert np.array_equal(epochs(patches, 2)[0], alone)


def test_spawned_workers_load_the_weights_themselves(lite: Path) -> None:
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    noise(CLEAN)
    assert len(pickle.dumps(noise)) < 2000
    assert np.array_equal(pickle.loads(pickle.dumps(noise))(CLEAN, index=range(4)), noise(CLEAN, index=range(4)))


def test_whole_picture_statistics_are_those_of_each_picture(paper: Path) -> None:
    """The paper's signal-dependent layer looks at the whole picture, and must not look at the others of a batch."""
    noise = AddCameraNoise(paper, camera="IP", iso=400)
    flat = np.full_like(CLEAN[0], 60)
    together = noise(np.stack([CLEAN[0], flat]), index=[0, 1])
    assert np.abs(together[1].astype(int) - noise(flat, index=1)).max() <= 1


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        (np.zeros((4, 4, 3), np.int16), "type int16"),
        (np.zeros((4, 4, 3), np.longdouble), "type float128|type longdouble"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.full((4, 4, 3), 255.0), "values from 255 to 255"),
        (np.full((4, 4), -0.1, np.float32), "values from -0.1 to -0.1"),
        (np.full((4, 4), 1 + 0.51 / 255), "values from 1.002 to 1.002"),
        (torch.zeros(4, 4), r"shape \(4, 4\)"),
        (np.zeros((3, 4, 4), np.uint8), r"shape \(3, 4, 4\)"),
        (torch.zeros(4, 4, 3), r"shape \(4, 4, 3\)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (torch.full((3, 4, 4), 2.0), "values from 2 to 2"),
        (torch.full((3, 4, 4), float("nan")), "values from nan"),
        ([[1]], "type list"),
    ],
)
def test_what_is_no_picture_is_refused(clean: object, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        AddCameraNoise("isp")(clean)  # type: ignore[type-var]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_float_arrays_are_as_those_of_bytes(lite: Path, kind: type[np.floating]) -> None:
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    expected = noise(CLEAN, index=range(4))
    noisy = noise((CLEAN / 255).astype(kind), index=range(4))
    assert (noisy.dtype, noisy.shape) == (kind, CLEAN.shape)
    assert np.array_equal(np.rint(noisy.astype(float) * 255), expected)


def test_grey_pictures_get_the_luma_of_rgb_noise(lite: Path) -> None:
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    grey = CLEAN[..., :1]
    whole = noise(np.repeat(grey, 3, -1), index=range(4))
    expected = np.stack([luma(picture) for picture in whole])
    assert not np.array_equal(whole[..., 0], expected)
    pictures = torch.from_numpy(grey).movedim(-1, 1)
    for clean in (grey, pictures.numpy().transpose(0, 2, 3, 1) / 255, pictures, pictures / 255):
        noisy = noise(clean, index=range(4))
        assert (noisy.dtype, noisy.shape) == (clean.dtype, clean.shape)
        counts = np.asarray(noisy) if noisy.dtype in (np.uint8, torch.uint8) else np.rint(np.asarray(noisy) * 255)
        assert np.array_equal(counts.reshape(expected.shape), expected)
    for single in (grey[1, ..., 0], grey[1], pictures[1]):
        noisy = noise(single, index=1)
        assert noisy.shape == single.shape
        assert np.abs(np.asarray(noisy).reshape(expected[1].shape).astype(int) - expected[1]).max() <= 1


def test_values_off_by_less_than_half_a_count_are_clipped() -> None:
    noise = AddCameraNoise("isp", camera="IP", iso=400)
    exact = np.stack([np.zeros((8, 8, 3), np.float32), np.ones((8, 8, 3), np.float32)])
    off = np.stack([exact[0] - 0.49 / 255, exact[1] + 1e-7]).astype(np.float32)
    assert off.min() < 0
    assert off.max() > 1
    assert np.array_equal(noise(off, index=[0, 1]), noise(exact, index=[0, 1]))


@pytest.mark.parametrize(
    "index",
    [
        *(3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)),
        *([3], (np.int32(3),), range(3, 4), iter([3]), np.array([3]), torch.tensor([3])),
    ],
)
def test_any_integer_is_an_index(index: object) -> None:
    noise = AddCameraNoise("isp", camera="IP", iso=400)
    assert np.array_equal(noise(CLEAN[:1], index=index), noise(CLEAN[0], index=3)[None])  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [1.5, "1", [1.0], np.array([1.5]), torch.tensor(1.0), [[1]], None])
def test_anything_else_is_no_index(index: object) -> None:
    noise = AddCameraNoise("isp", camera="IP", iso=400)
    with pytest.raises(PictureError, match=r"index .* is no integer \(an integer for each picture\)"):
        noise(CLEAN[:1], index=[index] if index is None else index)  # type: ignore[arg-type]


class Photograph(torch.Tensor):
    """A subclass of Tensor with an attribute, as libraries of transforms have them."""

    origin: str = ""


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_subclasses_of_tensor_are_kept(lite: Path, dtype: torch.dtype) -> None:
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    plain = TENSOR if dtype == torch.uint8 else TENSOR / 255
    clean = plain.clone().as_subclass(Photograph)
    clean.origin = "scanner"
    noisy = noise(clean, index=range(4))
    assert type(noisy) is Photograph
    assert noisy.origin == "scanner"
    assert torch.equal(noisy.as_subclass(torch.Tensor), noise(plain, index=range(4)))
    assert type(noise(torch.nn.Parameter(TENSOR / 255))) is torch.Tensor


def test_it_shows_what_was_asked_for() -> None:
    shown = "AddCameraNoise('isp', camera=['IP', 'GP'], iso='100-3200', seed=4)"
    assert repr(AddCameraNoise("isp", camera=["IP", "GP"], iso="100-3200", seed=4)) == shown
    assert repr(eval(shown)) == shown
    assert repr(AddCameraNoise()) == "AddCameraNoise('sidd-lite', camera='random', iso='random', seed=0)"


def test_mistakes_are_told_when_it_is_made(lite: Path) -> None:
    with pytest.raises(ConditionError, match="Nokia"):
        AddCameraNoise(lite, camera="Nokia")
    with pytest.raises(ConditionError, match="ISO 6400"):
        AddCameraNoise(lite, camera="IP", iso=6400)
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        AddCameraNoise("none.safetensors")
    with pytest.raises(PictureError, match="3 indices for 4 pictures"):
        AddCameraNoise(lite)(CLEAN, index=[1, 2, 3])
    assert nmflowgan_cli.AddCameraNoise is AddCameraNoise


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_tensors_are_computed_where_they_are(lite: Path) -> None:
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    noisy = noise(TENSOR.cuda(), index=range(4))
    assert noisy.is_cuda
    assert torch.equal(noisy, noise(TENSOR.cuda(), index=range(4)))
    assert not torch.equal(noisy, TENSOR.cuda())


def test_pictures_that_may_not_be_written_to_are_taken_as_they_are(lite: Path) -> None:
    """As numpy.asarray gives them of a PIL picture; torch warns of such arrays, and warnings are errors here."""
    picture = CLEAN[0].copy()
    picture.flags.writeable = False
    noise = AddCameraNoise(lite, camera="IP", iso=400)
    np.testing.assert_array_equal(noise(picture, index=0), noise(CLEAN[0], index=0))


def test_a_profile_makes_noise_in_a_loader(tmp_path: Path) -> None:
    from profile_examples import UNKNOWN

    from nmflowgan_cli.profiles.files import write_profile

    write_profile(tmp_path / "mine.json", UNKNOWN)
    noise = AddCameraNoise(profile=tmp_path / "mine.json", seed=3)
    clean = np.full((40, 44, 3), 90, np.uint8)
    noisy, [condition] = noise.with_conditions(clean, index=4)
    assert condition == Condition(UNKNOWN.name, 0)
    again = pickle.loads(pickle.dumps(AddCameraNoise(str(tmp_path / "mine.json"), seed=3)))
    assert (again(clean, index=4) == noisy).all()
    lit = AddCameraNoise(profile=tmp_path / "mine.json", white_balance="2,1.5", seed=3)
    assert not (lit(clean, index=4) == noisy).all()
