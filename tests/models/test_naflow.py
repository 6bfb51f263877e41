"""NAFlow: parity with the authors' network through the importer, and its laws as a flow and as a noise model."""

import math

import numpy as np
import pytest
import torch
from baselines import arrays, relative, weights

from nmflowgan_cli.checkpoints.naflow import TABLES, import_naflow, official_name
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.naflow import LATENTS, NAFlow, Prior, blurred, dequantised, normal_of
from nmflowgan_cli.synthesis.engine import synthesize

VOCABULARY = Vocabulary(("IP", "GP"), (100, 800), {"IP": {100: 1, 800: 1}, "GP": {800: 1}})
CODE = encode(VOCABULARY, [Condition("IP", 300)])


def official_shapes(classes: list[str]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the authors' state for these classes."""
    own = NAFlow(VOCABULARY).state_dict()
    shapes = {official_name(name): tuple(tensor.shape) for name, tensor in own.items() if name not in TABLES}
    shapes |= {f"{table}_{label}": (LATENTS,) for table in TABLES.values() for label in classes}
    return shapes | {"I": (LATENTS, LATENTS), **_unused()}


def _unused() -> dict[str, tuple[int, ...]]:
    return {"flowUpsamplerNet.f.0.weight": (384, 64, 1, 1), "flowUpsamplerNet.f.0.bias": (384,)}


@pytest.fixture(scope="module")
def fixture() -> dict[str, np.ndarray]:
    return arrays("naflow")


@pytest.fixture(scope="module")
def state(fixture) -> dict[str, torch.Tensor]:
    """The authors' state dict by the formula."""
    return weights(
        "naflow", official_shapes([str(label) for label in fixture["classes"]]), int(fixture["weights_seed"])
    )


@pytest.fixture(scope="module")
def imported(state, tmp_path_factory) -> NAFlow:
    path = tmp_path_factory.mktemp("naflow") / "naflow.ckpt"
    torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in state.items()}}, path)
    tensors, header = import_naflow(path)
    model = NAFlow(header.vocabulary, **header.options).eval()
    model.load_state_dict(tensors)
    return model


def condition(label: str) -> Condition:
    camera, iso = label.split("_")
    return Condition(camera, int(iso))


def counts(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(array).float()
    return tensor if tensor.ndim == 4 else tensor[None]


def test_the_weights_are_those_of_the_fixture(fixture, state):
    sums = dict(zip(map(str, fixture["weights_keys"]), fixture["weights_sum"], strict=True))
    assert sums.keys() == state.keys()
    for name, total in sums.items():
        assert state[name].double().sum().item() == pytest.approx(total, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("case", ["a", "b"])
@torch.no_grad()
def test_encoding_matches_the_authors_layer_by_layer(fixture, imported, case):
    given = {name[2:]: value for name, value in fixture.items() if name.startswith(f"{case}_")}
    errors = {}

    def compare(name, value, tolerance=3e-5):
        if name in given:
            errors[name] = relative(value, given[name]) / tolerance

    clean = blurred(counts(given["clean"]), torch.from_numpy(given["cond_normal"]))
    compare("cond", clean)
    features = imported.cond_net(clean)
    compare("fea_down1_ch0_8", imported.cond_net.down1(clean)[:, :8])
    for name, level in (("fea_down2_ch0_8", 0), ("fea_down4", 1), ("fea_down8", 2)):
        compare(name, features[level][:, : 8 if "ch" in name else None])
    x = dequantised(counts(given["noisy"]), torch.from_numpy(given["dequant_u"]))
    compare("dequantised", x)
    log_det, log_dets = torch.tensor([-math.log(256) * x[0, 0].numel()]), []
    log_dets.append(log_det)
    for number, layer in enumerate(imported.steps):
        x, more = layer(x, features)
        log_dets.append(log_dets[-1] + more)
        compare(f"fwd_{number:02}", x)
    compare("logdet_after", torch.stack(log_dets, 1), 1e-5)
    compare("latent", x)
    compare("logdet", log_dets[-1], 1e-5)
    prior = imported.prior(encode(imported.vocabulary, [condition(str(given["label"]))]))
    bits = -(prior.log_density(x) + log_dets[-1]) / math.log(2) / counts(given["clean"])[0, 0].numel()
    compare("nll_bits", bits, 1e-5)
    likelihood = imported.flow_nll(
        counts(given["noisy"]),
        clean,
        encode(imported.vocabulary, [condition(str(given["label"]))]),
        torch.from_numpy(given["dequant_u"]),
    )
    whole = likelihood / math.log(2) / counts(given["clean"])[0].numel()
    assert whole.item() == pytest.approx(given["nll_bits"].item() / 3 + 16 / 3, rel=1e-5)
    compare("round_trip_noisy", imported.decode(x, clean))
    assert {name: error for name, error in errors.items() if error > 1} == {}
    assert len(errors) > 6


@pytest.mark.parametrize("case", ["a", "b"])
@torch.no_grad()
def test_noise_aware_sampling_and_sampling_by_label_match(fixture, imported, case):
    given = {name[2:]: value for name, value in fixture.items() if name.startswith(f"{case}_")}
    clean, z = torch.from_numpy(given["cond"]), torch.from_numpy(given["z_new"])
    latent = torch.from_numpy(given["latent"])
    labels = [condition(str(label)) for label in fixture["classes"]]
    places = [(imported.vocabulary.isos.index(c.iso), imported.vocabulary.cameras.index(c.camera)) for c in labels]
    trained = torch.zeros(imported.mean.shape[:2])
    for place in places:
        trained[place] = 1
    noisy = torch.from_numpy(given["dequantised"])
    weight = imported.posterior(noisy, clean)[0]
    assert weight[trained == 0].sum() == 0
    assert relative(torch.stack([weight[place] for place in places]), given["class_weight"]) < 2e-3
    rows = [Prior(imported.mean[place][None], imported.std[place][None]).log_density(latent) for place in places]
    assert relative(torch.cat(rows), given["class_loglik"]) < 1e-5
    mean, std = (torch.einsum("ic,icl->l", weight, table) for table in (imported.mean, imported.std))
    assert relative(mean, given["mixed_mean"]) < 2e-3
    assert relative(std, given["mixed_std"]) < 1e-4

    mixed = Prior(torch.from_numpy(given["mixed_mean"])[None], torch.from_numpy(given["mixed_std"])[None]).sample(z)
    assert relative(mixed, given["latent_resampled"]) < 3e-5
    features, x = imported.cond_net(clean), torch.from_numpy(given["latent_resampled"])
    for number, layer in reversed(list(enumerate(imported.steps))):
        x = layer.inverse(x, features)
        if f"inv_{number:02}" in given:
            assert relative(x, given[f"inv_{number:02}"]) < 3e-5, number
    assert relative(x, given["noisy_float"]) < 3e-5
    assert np.array_equal(cut(x), given["noisy_uint8"])

    code = encode(imported.vocabulary, [condition(str(given["label"]))])
    of_label = imported.decode(imported.prior(code).sample(z), clean)
    assert relative(of_label, given["label_noisy_float"]) < 3e-5
    assert np.array_equal(cut(of_label), given["label_noisy_uint8"])


def cut(picture: torch.Tensor) -> np.ndarray:
    """Counts as the authors' writer has them: cut, not rounded."""
    return (255 * picture.clamp(0, 1)).numpy().astype(np.uint8)


def test_a_training_step_matches(fixture, imported):
    given = {name[6:]: value for name, value in fixture.items() if name.startswith("train_")}
    conditions = [condition(str(label)) for label in given["labels"]]
    clean = blurred(counts(given["clean"]), torch.from_numpy(given["cond_normal"]))
    x = dequantised(counts(given["noisy"]), torch.from_numpy(given["dequant_u"]))
    z, log_det = imported.encode(x, clean)
    log_det = log_det - math.log(256) * x[0, 0].numel()
    assert relative(log_det, given["logdet"]) < 1e-5
    density = imported.prior(encode(imported.vocabulary, conditions)).log_density(z)
    bits = -(density + log_det) / math.log(2) / x[0, 0].numel()
    assert relative(bits, given["nll_bits"]) < 1e-5
    imported.zero_grad()
    bits.mean().backward()
    gradients = {name: parameter.grad for name, parameter in imported.named_parameters()}
    by_official = {official_name(name): gradient for name, gradient in gradients.items()}
    for name, expected in zip(map(str, given["grad_names"]), given["grad_norm"], strict=True):
        gradient = by_official[name] if name in by_official else row(gradients, name, imported.vocabulary)
        assert gradient.norm().item() == pytest.approx(float(expected), rel=1e-4), name
    total = math.sqrt(sum(gradient.double().square().sum().item() for gradient in gradients.values()))
    assert total == pytest.approx(float(given["grad_norm_all"]), rel=1e-4)


def row(gradients: dict[str, torch.Tensor], name: str, vocabulary: Vocabulary) -> torch.Tensor:
    """The gradient of one code's mean or deviation."""
    table = "mean" if name.startswith("mean") else "std"
    code = condition(name.split("shift_")[1])
    return gradients[table][vocabulary.isos.index(code.iso), vocabulary.cameras.index(code.camera)]


@pytest.fixture
def model() -> NAFlow:
    """A narrow model in evaluation mode, all of whose parts do something."""
    torch.manual_seed(1)
    made = NAFlow(VOCABULARY, features=16, hidden=16).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "invconv" not in name:
                parameter.add_(0.05 * torch.randn_like(parameter))
        made.std.mul_(0.1)
    return made


def picture(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, Fields]:
    generator = torch.Generator().manual_seed(2)
    clean = torch.randint(20, 230, (batch, 3, height, width), generator=generator).float()
    latent = torch.randn(clean.shape, generator=generator)
    return clean, Fields(latent, torch.rand(clean.shape, generator=generator))


@torch.no_grad()
def test_decoding_undoes_encoding(model):
    model.double()
    clean = torch.rand(2, 3, 24, 16, dtype=torch.float64)
    noisy = torch.rand_like(clean)
    torch.testing.assert_close(model.decode(model.encode(noisy, clean)[0], clean), noisy, rtol=1e-9, atol=1e-9)


def test_the_log_determinant_is_that_of_the_jacobian(model):
    model.double()
    clean, noisy = torch.rand(2, 1, 3, 8, 16, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.encode(x, clean)[0], noisy)
    expected = torch.linalg.slogdet(jacobian.reshape(noisy.numel(), noisy.numel()))[1]
    torch.testing.assert_close(model.encode(noisy, clean)[1][0], expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_first_batch_decides_the_norms(model):
    clean, noisy = torch.rand(2, 4, 3, 32, 32)
    with model.initialising():
        model.encode(3 * noisy, clean)
    norm = model.layers[1].actnorm
    seen = norm(model.layers[0](3 * noisy, [])[0])
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-5)
    assert seen.std((0, 2, 3)).tolist() == pytest.approx([1] * 3, abs=1e-4)
    before = norm.bias.clone()
    model.encode(noisy, clean)
    assert torch.equal(norm.bias, before)


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (17, 33)])
@torch.no_grad()
def test_any_size(model, size):
    clean, fields = picture(*size)
    noisy = model.sample(clean, CODE, fields)
    assert noisy.shape == clean.shape
    assert torch.isfinite(noisy).all()


@torch.no_grad()
def test_the_engine_gives_the_same_bytes_whatever_the_tiles(model):
    rgb = np.random.default_rng(5).integers(0, 256, (150, 171, 3)).astype(np.uint8)
    outputs = [synthesize(model, rgb, Condition("IP", 300), 7, tile=tile, dtype=np.float32) for tile in (512, 64)]
    assert np.array_equal(*outputs)


@torch.no_grad()
def test_an_iso_between_two_mixes_their_gaussians(model):
    low, between, high = (model.prior(encode(VOCABULARY, [Condition("IP", iso)])) for iso in (100, 300, 800))
    share = math.log(3) / math.log(8)
    torch.testing.assert_close(between.mean, (1 - share) * low.mean + share * high.mean)
    torch.testing.assert_close(between.std, (1 - share) * low.std + share * high.std)


def test_normal_numbers_of_uniform_ones_are_finite_and_normal():
    normal = normal_of(torch.linspace(0, 1, 100_001)[:-1])
    assert torch.isfinite(normal).all()
    assert normal.mean().item() == pytest.approx(0, abs=1e-3)
    assert normal.std().item() == pytest.approx(1, abs=1e-3)


def test_likelihood_wants_whole_cells(model):
    clean, fields = picture(12, 12)
    with pytest.raises(UsageError, match="a multiple of 8"):
        model.nll(clean, clean, CODE, fields)


@torch.no_grad()
def test_cameras_and_isos_that_are_added_start_between_the_known_ones(model):
    wider = Vocabulary(("IP", "GP", "N6"), (100, 800, 400), {"N6": {400: 1}})
    grown = NAFlow(wider, features=16, hidden=16)
    grown.load_state_dict(model.extended(wider))
    torch.testing.assert_close(grown.mean[:2, :2], model.mean)
    torch.testing.assert_close(grown.std[2, 0], (model.std[0, 0] + 2 * model.std[1, 0]) / 3)
