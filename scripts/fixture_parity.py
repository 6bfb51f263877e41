"""Compare the `paper` architecture with what the authors' code computes, array by array.

    python scripts/fixture_parity.py FOLDER

FOLDER holds nmflowgan_small.pth (a checkpoint in the official layout) and nmflowgan_small.npz (inputs, random
fields and the official results). Prints for each array the largest relative error, max|a - b| / max|b|, the largest
element-wise one (over values above a thousandth of the array's maximum), and the share of values that differ.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.checkpoints.build import build
from nmflowgan_cli.checkpoints.official import import_official
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.models.base import Fields, encode, to_counts
from nmflowgan_cli.models.flow import LEVELS
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN


def load_official(path: Path) -> PaperNMFlowGAN:
    """The model of an official checkpoint, in evaluation mode."""
    state, header = import_official(path)
    model = build(header)
    assert isinstance(model, PaperNMFlowGAN)
    model.load_state_dict(state)
    return model.eval()


def table_rows(vocabulary: Vocabulary) -> Vocabulary:
    """The same tables with every row addressed as it is: the fixture also holds a row that was never trained."""
    return replace(vocabulary, trained={c: dict.fromkeys(vocabulary.isos, 1) for c in vocabulary.cameras})


@torch.no_grad()
def computed(model: PaperNMFlowGAN, arrays: dict[str, NDArray]) -> Iterator[tuple[str, Tensor]]:
    """Each array of the fixture by its name, as the model computes it from the fixture's inputs."""
    clean = torch.from_numpy(arrays["clean"]).float()
    fields = Fields(torch.from_numpy(arrays["latent_z"]), torch.from_numpy(arrays["dequant_u"]))
    conditions = [Condition(str(c), int(i)) for c, i in zip(arrays["camera"], arrays["iso"], strict=True)]
    code = encode(table_rows(model.vocabulary), conditions)
    given = model.given(clean, code, fields)
    yield "clean_dequantized", given.clean
    x = torch.from_numpy(arrays["flow_in"])
    for number, layer in enumerate(model.conditional_layers, 1):
        x, log_det = layer(x, given)
        yield f"layer{number}_out", x
        yield f"layer{number}_logdet", log_det
    yield "flow_latent", x
    mean, deviation = model.moments(clean, code, fields)
    yield "flow_noise_from_latent", mean + deviation * fields.latent
    noise = model.pixelwise_noise(clean, code, fields)
    yield "pixelwise_noisy", clean + noise
    yield "unet_in", noise / LEVELS
    yield "unet_out", model.unet(torch.from_numpy(arrays["unet_in"]))
    noisy = model.sample(clean, code, fields)
    yield "noisy_float", noisy.clamp(0, LEVELS)  # the official code clips here
    yield "noisy_uint8", to_counts(noisy)


def errors(a: NDArray, b: NDArray) -> tuple[float, float, float]:
    """Relative error of the array, largest element-wise relative error, share of values that differ."""
    difference, size = np.abs(a.astype(np.float64) - b), np.abs(b)
    large = size > 1e-3 * size.max()
    return difference.max() / size.max(), (difference[large] / size[large]).max(), float((difference > 0).mean())


def main(folder: Path) -> None:
    """Print the table."""
    arrays = dict(np.load(folder / "nmflowgan_small.npz"))
    print(f"{'array':24}{'relative':>12}{'element-wise':>14}{'differing':>12}")
    for name, value in computed(load_official(folder / "nmflowgan_small.pth"), arrays):
        array, element, share = errors(value.numpy(), arrays[name])
        print(f"{name:24}{array:12.2e}{element:14.2e}{share:12.4%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
