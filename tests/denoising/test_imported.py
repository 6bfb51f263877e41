"""DnCNN of other code: the same picture from the same tensors, and a named reason for any other file."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d
from typer.testing import CliRunner

from nmflowgan_cli.checkpoints.build import load_denoiser
from nmflowgan_cli.cli import app

DEPTH, WIDTH = 5, 6


def theirs() -> dict[str, Tensor]:
    """A state in the layout of the field: convolutions with biases, and batch norms between the first and the last."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) / 3

    state = {"model.0.weight": drawn(WIDTH, 3, 3, 3), "model.0.bias": drawn(WIDTH)}
    for place in range(2, 3 * DEPTH - 4, 3):
        state |= {f"model.{place}.weight": drawn(WIDTH, WIDTH, 3, 3), f"model.{place}.bias": drawn(WIDTH)}
        norm = f"model.{place + 1}"
        state |= {f"{norm}.{name}": drawn(WIDTH) for name in ("weight", "bias", "running_mean")}
        state |= {f"{norm}.running_var": drawn(WIDTH) ** 2 + 0.1, f"{norm}.num_batches_tracked": torch.tensor(7)}
    last = 3 * DEPTH - 4
    return state | {f"model.{last}.weight": drawn(3, WIDTH, 3, 3), f"model.{last}.bias": drawn(3)}


def denoised(state: dict[str, Tensor], noisy: Tensor) -> Tensor:
    """What their network makes of RGB in [0, 1]."""
    value = noisy
    for place in range(3 * DEPTH - 3):
        if f"model.{place}.running_mean" in state:
            names = ("running_mean", "running_var", "weight", "bias")
            value = batch_norm(value, *(state[f"model.{place}.{name}"] for name in names), eps=1e-5)
        elif f"model.{place}.weight" in state:
            value = conv2d(value, state[f"model.{place}.weight"], state[f"model.{place}.bias"], padding=1)
        else:
            value = value.relu()
    return noisy - value


def imported(content: object, folder: Path) -> tuple[int, str]:
    torch.save(content, folder / "theirs.pth")
    done = CliRunner().invoke(
        app, ["weights", "import", str(folder / "theirs.pth"), "-o", str(folder / "ours.safetensors")]
    )
    return done.exit_code, done.stderr


@pytest.mark.parametrize("wrapped", [True, False])
def test_it_makes_the_same_picture(wrapped: bool, tmp_path: Path) -> None:
    state = theirs()
    content = {"epoch": 3, "model_state_dict": state} if wrapped else state
    assert imported(content, tmp_path) == (0, "")
    model, header = load_denoiser(tmp_path / "ours.safetensors")
    noisy = torch.rand(2, 3, 20, 17, generator=torch.Generator().manual_seed(1))
    expected = denoised({name: value.double() for name, value in state.items()}, noisy.double())
    with torch.no_grad():
        found = model.double()(255 * noisy.double()) / 255
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (header.options, header.training["noise"]) == ({"depth": DEPTH, "width": WIDTH}, "not known")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model.3.weight": None}, "lacks"),
        ({"model.99.extra": torch.zeros(1)}, "unknown"),
        ({"model.3.weight": torch.zeros(WIDTH + 1)}, "wrongly shaped"),
        ({"model.0.weight": None}, "lacks model.0.weight"),
    ],
)
def test_other_files_are_refused_by_name(change: dict[str, Tensor | None], says: str, tmp_path: Path) -> None:
    state = {name: value for name, value in {**theirs(), **change}.items() if value is not None}
    code, said = imported({"model_state_dict": state}, tmp_path)
    assert code == 4
    assert said.startswith("error: ")
    assert says in said
    assert said.count("\n") == 1
