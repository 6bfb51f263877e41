"""The denoiser: its size, where it begins, what it sees, and what its batch norms keep."""

import pytest
import torch
from denoisers import awake, some

from nmflowgan_cli.denoising.dncnn import DnCNN


def test_it_is_that_of_the_paper():
    model = DnCNN()
    assert sum(parameter.numel() for parameter in model.parameters()) == 596_419
    convolutions = [layer for layer in model.layers if isinstance(layer, torch.nn.Conv2d)]
    norms = [layer for layer in model.layers if isinstance(layer, torch.nn.BatchNorm2d)]
    assert (len(convolutions), len(norms), model.geometry.context) == (18, 16, 18)
    assert all(convolution.bias is not None for convolution in convolutions)
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.9, 1e-4)}


def test_it_begins_as_the_identity():
    """And each hidden channel hears mostly itself, so that the last layer sees the picture through all others."""
    noisy, model = some(2, 3, 9, 7), DnCNN(depth=6, width=8)
    assert torch.equal(model(noisy), noisy)
    for convolution in [layer for layer in model.layers if isinstance(layer, torch.nn.Conv2d)][1:-1]:
        strongest = convolution.weight.detach().abs().flatten(1).argmax(1)
        assert strongest.tolist() == [channel * 9 + 4 for channel in range(8)]


@pytest.mark.parametrize("options", [{"depth": 1}, {"width": 0}])
def test_sizes_that_are_none(options):
    with pytest.raises(ValueError, match="DnCNN of depth"):
        DnCNN(**options)


def test_a_pixel_is_decided_within_its_context_and_not_by_less():
    model = awake().double()
    noisy = some(1, 3, 21, 21).double()
    changed = noisy.clone()
    changed[..., 10, 10] += 50
    different = (model(noisy) != model(changed))[0].any(0)
    rows, columns = (different.any(axis).nonzero().flatten() for axis in (1, 0))
    assert (int(rows.min()), int(rows.max())) == (10 - model.geometry.context, 10 + model.geometry.context)
    assert (int(columns.min()), int(columns.max())) == (10 - model.geometry.context, 10 + model.geometry.context)


def test_average_statistics_are_those_of_all_batches_alike():
    """The paper's momentum forgets all but the last batch; the plain mean does not know their order."""
    batches = [some(3, 3, 12, 12, seed=seed) for seed in range(3)]
    kept = []
    for order in (batches, batches[::-1]):
        model = awake().train()
        model.start_average_statistics()
        for batch in order:
            model(batch)
        kept.append([norm.running_var for norm in model.modules() if isinstance(norm, torch.nn.BatchNorm2d)])
    for there, back in zip(*kept, strict=True):
        torch.testing.assert_close(there, back)
    with torch.no_grad():
        seen = torch.stack([model.layers[:3](batch / 256).mean((0, 2, 3)) for batch in batches])
    first = next(norm for norm in model.modules() if isinstance(norm, torch.nn.BatchNorm2d))
    torch.testing.assert_close(first.running_mean, seen.mean(0))
