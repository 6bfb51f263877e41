"""Weights files: they come back as they were written, and every kind of damage is one named error."""

import dataclasses
import errno
import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from places import FIXTURES

from nmflowgan_cli.checkpoints import build as building
from nmflowgan_cli.checkpoints.format import FORMAT_VERSION, KEY, Header, load_weights, read_header, save_weights
from nmflowgan_cli.checkpoints.official import VOCABULARY, import_official
from nmflowgan_cli.errors import DiskError, WeightsError
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN

OFFICIAL = FIXTURES / "official_small.pth"
HEADER = Header(
    architecture="paper",
    options={"widths": [2, 4, 4, 8, 8]},
    vocabulary=VOCABULARY,
    name="small",
    data=("nothing", "é"),
    terms="any",
    metrics={"kld": {"IP": 0.1}, "command": "none"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A weights file that is right."""
    state, _ = import_official(OFFICIAL)
    save_weights(tmp_path / "small.safetensors", state, HEADER)
    return tmp_path / "small.safetensors"


def rewritten(path: Path, header: object) -> Path:
    """The same file with another text in the place of its header."""
    from safetensors.torch import load_file, save_file

    metadata = None if header is None else {KEY: header if isinstance(header, str) else json.dumps(header)}
    save_file(load_file(path), path, metadata)
    return path


def test_state_and_header_come_back(path):
    state, header = load_weights(path)
    expected, _ = import_official(OFFICIAL)
    assert header == HEADER == read_header(path)
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_nothing_else_is_left_in_the_folder(path):
    assert list(path.parent.iterdir()) == [path]


def test_the_loaded_model_is_ready_to_use(path):
    model = building.load_model(path)
    assert isinstance(model, PaperNMFlowGAN)
    assert not model.training
    assert model.vocabulary == VOCABULARY
    expected, _ = import_official(OFFICIAL)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"no such weights file.*absent"):
        load_weights(tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match="not a file"):
        load_weights(tmp_path)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_pretending_to_be_weights_is_refused_and_not_executed(tmp_path, zipped):
    path, mark = tmp_path / "trap.safetensors", tmp_path / "mark"
    if zipped:
        torch.save({"model_weight": Trap(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Trap(mark), protocol=2))
    with pytest.raises(WeightsError, match=r"pickled PyTorch file.*weights import"):
        load_weights(path)
    with pytest.raises(WeightsError, match="not a plain PyTorch checkpoint"):
        import_official(path)
    assert not mark.exists()


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_truncated_file_is_damaged(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(WeightsError, match="damaged or not a safetensors file"):
        load_weights(path)


def test_a_header_that_claims_to_be_huge_is_damaged(path):
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
    with pytest.raises(WeightsError, match="damaged or not a safetensors file"):
        load_weights(path)


@pytest.mark.parametrize("header", [None, "no json", "[]", "{}", {**HEADER.to_json(), "trained": 3}])
def test_without_a_valid_header_it_is_no_weights_file(path, header):
    with pytest.raises(WeightsError, match="header"):
        load_weights(rewritten(path, header))


def test_a_newer_format_says_so_whatever_else_it_holds(path):
    with pytest.raises(WeightsError, match=r"newer than this tool.*nmflowgan 9\.9"):
        load_weights(rewritten(path, {"format_version": FORMAT_VERSION + 1, "tool_version": "9.9"}))


def test_missing_unexpected_and_misshapen_tensors_are_named(path):
    state, _ = load_weights(path)
    wrong = {name: tensor for name, tensor in state.items() if name != "unet.last.bias"}
    save_weights(path, wrong, HEADER)
    with pytest.raises(WeightsError, match=r"lacks unet\.last\.bias$"):
        building.load_model(path)
    save_weights(path, {**state, "surplus": torch.zeros(1)}, HEADER)
    with pytest.raises(WeightsError, match=r"unknown surplus$"):
        building.load_model(path)
    save_weights(path, {**state, "unet.last.bias": torch.zeros(7)}, HEADER)
    with pytest.raises(WeightsError, match=r"wrongly shaped unet\.last\.bias$"):
        building.load_model(path)


def test_unknown_architectures_and_options_are_named():
    with pytest.raises(WeightsError, match="unknown architecture 'other'"):
        building.build(dataclasses.replace(HEADER, architecture="other"))
    with pytest.raises(WeightsError, match=r"options of small.*colour"):
        building.build(dataclasses.replace(HEADER, options={"colour": 1}))


def test_a_full_disk_leaves_nothing(path, monkeypatch):
    before = path.read_bytes()

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match="No space left"):
        save_weights(path, {"x": torch.zeros(3)}, HEADER)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(path):
    with pytest.raises(WeightsError, match="cannot write"):
        save_weights(path / "below" / "new.safetensors", {"x": torch.zeros(3)}, HEADER)


def official(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The small official generator with some tensors changed, or left out where None."""
    generator = torch.load(OFFICIAL, weights_only=True)["model_weight"]["generator"]
    return {name: tensor for name, tensor in {**generator, **changes}.items() if tensor is not None}


def saved(path: Path, generator: object) -> Path:
    torch.save({"epoch": 1, "model_weight": {"generator": generator, "critic": {}}}, path)
    return path


def test_prefixes_of_parallel_training_are_stripped_wherever_they_are(tmp_path):
    expected, _ = import_official(OFFICIAL)
    outer = {f"module.{name}": tensor for name, tensor in official().items()}
    inner = {name.replace("generator.", "generator.module."): tensor for name, tensor in official().items()}
    for generator in (outer, inner):
        state, _ = import_official(saved(tmp_path / "parallel.pth", generator))
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_import_names_missing_unknown_and_misshapen_tensors(tmp_path):
    path = tmp_path / "wrong.pth"
    with pytest.raises(WeightsError, match=r"lacks bijectors\.3\.bias$"):
        import_official(saved(path, official(**{"bijectors.3.bias": None})))
    with pytest.raises(WeightsError, match=r"unknown bijectors\.9\.bias$"):
        import_official(saved(path, official(**{"bijectors.9.bias": torch.zeros(1)})))
    with pytest.raises(WeightsError, match=r"wrongly shaped bijectors\.3\.bias$"):
        import_official(saved(path, official(**{"bijectors.3.bias": torch.zeros(24, 3)})))


@pytest.mark.parametrize("content", [3, {"model_weight": {"denoiser": {}}}, {"model_weight": {"generator": [1]}}])
def test_import_refuses_what_holds_no_noise_model(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth"):
        import_official(tmp_path / "other.pth")


def test_import_of_a_truncated_or_absent_checkpoint(tmp_path):
    path = tmp_path / "short.pth"
    path.write_bytes(OFFICIAL.read_bytes()[:5000])
    for wrong in (path, tmp_path / "absent.pth", tmp_path):
        with pytest.raises(WeightsError, match=wrong.name):
            import_official(wrong)
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"not a plain PyTorch checkpoint|cannot read"):
        import_official(path)
