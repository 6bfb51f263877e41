"""Make the tests' small checkpoint in the official layout, and its expected results.

    python scripts/make_fixture.py

Writes tests/fixtures/official_small.pth (random weights, a narrow U-Net) and official_small.npz beside it. The
expected arrays come from the restatement below, in plain numpy and float64, which shares nothing with the package: it
is written from the paper and the published facts of the official code, picture by picture.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "tests" / "fixtures"
WIDTHS = (2, 4, 4, 8, 8)
SIDE = 32
CONDITIONS = (("S6", 3200), ("IP", 100))
CAMERAS = ("IP", "GP", "S6", "N6", "G4")
ISOS = (100, 400, 800, 1600, 3200)

Array = NDArray[np.float64]
Weights = dict[str, Array]


def code_net_shapes(outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a code network: 10 -> 5, three residual blocks, 5 -> outputs."""
    shapes: dict[str, tuple[int, ...]] = {"initial_layer.weight": (5, 10), "initial_layer.bias": (5,)}
    for block in range(3):
        for half in range(2):
            for name in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"blocks.{block}.batch_norm_layers.{half}.{name}"] = (5,)
            shapes[f"blocks.{block}.batch_norm_layers.{half}.num_batches_tracked"] = ()
            shapes[f"blocks.{block}.linear_layers.{half}.weight"] = (5, 5)
            shapes[f"blocks.{block}.linear_layers.{half}.bias"] = (5,)
    return shapes | {"final_layer.weight": (outputs, 5), "final_layer.bias": (outputs,)}


def convolution_shapes(name: str, outputs: int, inputs: int, side: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def layer_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the six conditional layers."""
    shapes: dict[str, tuple[int, ...]] = {"pre_bijectors.0.ldj_per_dim": (), "dist.buffer": (1,)}
    for structure, signal, table in ((1, 2, 3), (4, 5, 6)):
        for index, outputs in ((structure, 6), (signal, 3)):
            shapes |= {f"bijectors.{index}.meta_encoder.{n}": s for n, s in code_net_shapes(outputs).items()}
        body = f"bijectors.{structure}.structure_encoder.body"
        shapes |= convolution_shapes(f"{body}.0", 16, 3, 1) | convolution_shapes(f"{body}.10", 6, 16, 1)
        for place in (2, 4, 6, 8):
            shapes |= convolution_shapes(f"{body}.{place}", 16, 16, 3)
        body = f"bijectors.{signal}.scale_and_bias.body"
        shapes |= convolution_shapes(f"{body}.0", 16, 6, 1) | convolution_shapes(f"{body}.4", 6, 16, 1)
        for place, (inputs, outputs) in enumerate(((16, 32), (32, 32), (32, 16)), 1):
            shapes |= convolution_shapes(f"{body}.{place}.0", outputs, inputs, 1)
            shapes |= {f"{body}.{place}.1.weight": (outputs,), f"{body}.{place}.1.bias": (outputs,)}
        shapes |= {f"bijectors.{table}.log_scale": (25, 3), f"bijectors.{table}.bias": (25, 3)}
    return shapes


def unet_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the U-Net."""
    shapes: dict[str, tuple[int, ...]] = {}
    for level, (inputs, outputs) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False)):
        shapes |= convolution_shapes(f"generator.down_path.{level}.block.0", outputs, inputs, 3)
        shapes |= convolution_shapes(f"generator.down_path.{level}.block.2", outputs, outputs, 3)
    for level, (inputs, outputs) in enumerate(pairwise(WIDTHS[::-1])):
        name = f"generator.up_path.{level}"
        shapes |= {f"{name}.up.weight": (inputs, outputs, 2, 2), f"{name}.up.bias": (outputs,)}
        shapes |= convolution_shapes(f"{name}.conv_block.block.0", outputs, 2 * outputs, 3)
        shapes |= convolution_shapes(f"{name}.conv_block.block.2", outputs, outputs, 3)
    return shapes | convolution_shapes("generator.last", 3, WIDTHS[0], 1)


def random_weights(random: np.random.Generator) -> Weights:
    """Weights that keep signals alive, rounded to float32; the tables make noise of a few counts."""
    weights: Weights = {}
    for name, shape in (layer_shapes() | unet_shapes()).items():
        fan_in = int(np.prod(shape[1:])) or 1
        value = random.uniform(-1.5, 1.5, shape) / np.sqrt(fan_in) if len(shape) > 1 else random.normal(0, 0.2, shape)
        if name.endswith("log_scale"):
            value = random.normal(1.8, 0.2, shape)
        if name.endswith("running_var") or ".1.weight" in name or "batch_norm_layers.0.weight" in name:
            value = random.uniform(0.5, 1.5, shape) if len(shape) == 1 else value
        if ".body.10." in name or ".scale_and_bias.body.4." in name:
            value = 0.15 * value
        if name.endswith("num_batches_tracked"):
            value = np.zeros(shape)
        weights[name] = np.asarray(value, np.float32).astype(np.float64)
    return weights


def convolve(x: Array, weights: Weights, name: str) -> Array:
    """Convolution with zero padding that keeps the size; x is (channels, height, width)."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    reach = kernel.shape[-1] // 2
    windows = sliding_window_view(np.pad(x, ((0, 0), (reach, reach), (reach, reach))), kernel.shape[-2:], (1, 2))
    return np.einsum("chwij,ocij->ohw", windows, kernel) + bias[:, None, None]


def code_features(weights: Weights, name: str, code: Array) -> Array:
    """The code network in evaluation mode."""
    h = weights[f"{name}.initial_layer.weight"] @ code + weights[f"{name}.initial_layer.bias"]
    for block in range(3):
        change = h
        for half in range(2):
            norm, linear = (
                f"{name}.blocks.{block}.batch_norm_layers.{half}",
                f"{name}.blocks.{block}.linear_layers.{half}",
            )
            spread = np.sqrt(weights[f"{norm}.running_var"] + 1e-3)
            change = (change - weights[f"{norm}.running_mean"]) / spread * weights[f"{norm}.weight"]
            change = np.maximum(change + weights[f"{norm}.bias"], 0)
            change = weights[f"{linear}.weight"] @ change + weights[f"{linear}.bias"]
        h = h + change
    return weights[f"{name}.final_layer.weight"] @ h + weights[f"{name}.final_layer.bias"]


def structure_maps(weights: Weights, index: int, clean: Array, code: Array) -> Array:
    """The six maps of a structure-aware layer: log-scale, then bias."""
    x = clean
    for place in (0, 2, 4, 6, 8):
        x = np.maximum(convolve(x, weights, f"bijectors.{index}.structure_encoder.body.{place}"), 0)
    maps = np.tanh(convolve(x, weights, f"bijectors.{index}.structure_encoder.body.10"))
    return maps * code_features(weights, f"bijectors.{index}.meta_encoder", code)[:, None, None]


def signal_maps(weights: Weights, index: int, clean: Array, code: Array) -> Array:
    """The six maps of a signal-dependent layer, with its norms over the picture."""
    features = code_features(weights, f"bijectors.{index}.meta_encoder", code)
    body = f"bijectors.{index}.scale_and_bias.body"
    everywhere = np.broadcast_to(features[:, None, None], clean.shape)
    x = convolve(np.concatenate([everywhere, clean]), weights, f"{body}.0")
    for place in (1, 2, 3):
        x = convolve(x, weights, f"{body}.{place}.0")
        x = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
        x = x * weights[f"{body}.{place}.1.weight"][:, None, None] + weights[f"{body}.{place}.1.bias"][:, None, None]
        x = np.where(x > 0, x, 0.2 * x)
    return np.tanh(convolve(x, weights, f"{body}.4"))


def all_maps(weights: Weights, clean: Array, camera: str, iso: int) -> list[Array]:
    """Log-scale and bias of the six layers, data to latent."""
    row = 5 * ISOS.index(iso) + CAMERAS.index(camera)
    code = np.zeros(10)
    code[[ISOS.index(iso), 5 + CAMERAS.index(camera)]] = 1
    maps = []
    for structure, signal, table in ((1, 2, 3), (4, 5, 6)):
        tables = [weights[f"bijectors.{table}.{name}"][row] for name in ("log_scale", "bias")]
        flat = np.broadcast_to(np.concatenate(tables)[:, None, None], (6, *clean.shape[1:]))
        maps += [structure_maps(weights, structure, clean, code), signal_maps(weights, signal, clean, code), flat]
    return maps


def unet(weights: Weights, x: Array) -> Array:
    """The U-Net with its global residual."""
    h, skips = x, []
    for level in range(len(WIDTHS)):
        if level:
            h = h.reshape(len(h), h.shape[1] // 2, 2, h.shape[2] // 2, 2).max((2, 4))
        for place in (0, 2):
            h = np.maximum(convolve(h, weights, f"generator.down_path.{level}.block.{place}"), 0)
        skips.append(h)
    for level, skip in enumerate(skips[-2::-1]):
        name = f"generator.up_path.{level}"
        up = np.einsum("chw,coij->ohiwj", h, weights[f"{name}.up.weight"]).reshape(-1, *skip.shape[1:])
        h = np.concatenate([up + weights[f"{name}.up.bias"][:, None, None], skip])
        for place in (0, 2):
            h = np.maximum(convolve(h, weights, f"{name}.conv_block.block.{place}"), 0)
    return x + convolve(h, weights, "generator.last")


def picture(random: np.random.Generator) -> NDArray[np.uint8]:
    """A smooth picture with an edge and some texture."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    colour = random.uniform(0.2, 1, (3, 1, 1))
    smooth = 120 * colour * (1 + np.sin(4 * x + 3 * y)) / 2 + 80 * (x + y > 1.1)
    return np.clip(smooth + random.normal(0, 6, (3, SIDE, SIDE)), 0, 255).astype(np.uint8)


def expected(
    weights: Weights, clean: Array, uniform: Array, latent: Array, noise: Array, condition: tuple[str, int]
) -> dict[str, Any]:
    """What the official network computes for one picture."""
    dequantised = (clean + uniform) / 256
    maps = all_maps(weights, dequantised, *condition)
    z, log_det = noise, 0.0
    for layer in maps:
        z, log_det = np.exp(layer[:3]) * z + layer[3:], log_det + layer[:3].sum()
    n = latent
    for layer in maps[::-1]:
        n = (n - layer[3:]) * np.exp(-layer[:3])
    pixelwise = np.clip(np.floor(256 * (dequantised + n)), 0, 255)
    noisy = clean + 256 * unet(weights, (pixelwise - clean) / 256)
    return {"z": z, "log_det": log_det, "pixelwise_noisy": pixelwise, "noisy": noisy}


def main() -> None:
    """Write both files."""
    random = np.random.default_rng(20240501)
    weights = random_weights(random)
    shape = (len(CONDITIONS), 3, SIDE, SIDE)
    inputs = {
        "clean": np.stack([picture(random) for _ in CONDITIONS]),
        "uniform": (random.integers(0, 256, shape) / 256).astype(np.float16),
        "latent": random.standard_normal(shape).astype(np.float16),
        "noise": random.normal(0, 0.03, shape).astype(np.float16),
    }
    planes = [values.astype(np.float64) for values in inputs.values()]
    results = [
        expected(weights, clean, uniform, latent, noise, condition)
        for clean, uniform, latent, noise, condition in zip(*planes, CONDITIONS, strict=True)
    ]
    outputs = {name: np.stack([result[name] for result in results]).astype(np.float32) for name in results[0]}
    camera, iso = zip(*CONDITIONS, strict=True)
    arrays: dict[str, Any] = {"camera": camera, "iso": iso, **inputs, **outputs}
    np.savez_compressed(FOLDER / "official_small.npz", **arrays)
    generator = {name: torch.tensor(value, dtype=torch.float32) for name, value in weights.items()}
    for name in generator:
        if name.endswith("num_batches_tracked"):
            generator[name] = generator[name].long()
    content = {"epoch": 1, "model_weight": {"generator": generator, "critic": {}}, "optimizer_weight": {}}
    torch.save(content, FOLDER / "official_small.pth")


if __name__ == "__main__":
    main()
