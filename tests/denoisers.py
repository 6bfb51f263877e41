"""Small denoisers and patches for them."""

import torch

from nmflowgan_cli.denoising.dncnn import DnCNN


def some(*shape, seed=0):
    return 255 * torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def awake(depth=5, width=6) -> DnCNN:
    """A small denoiser whose last convolution does something, in evaluation mode."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        model = DnCNN(depth=depth, width=width)
        model.layers[-1].reset_parameters()
        model.train()(some(4, 3, 32, 32))
    return model.eval()
