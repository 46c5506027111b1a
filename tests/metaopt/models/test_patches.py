"""Layers that a program computes by products give what torch's own give, laid out alike."""

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from metaopt.models.patches import compute_by_products


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(2, 3, 3, padding=1),
        nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(2, 3, (2, 3), padding=1, padding_mode="reflect", dilation=(1, 2)),
        nn.Conv3d(2, 3, 2),
        nn.Linear(8, 3),
    ],
    ids=str,
)
def test_a_traced_layer_gives_what_torch_gives_and_a_view_of_it_can_be_taken(
    layer: nn.Module,
) -> None:
    layer.double()
    sides = {"Conv1d": 1, "Conv2d": 2, "Conv3d": 3}.get(type(layer).__name__)
    shape = (4, 8) if sides is None else (4, 2, *(8,) * sides)
    x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = layer(x)
    compute_by_products(layer)

    def flat(h: torch.Tensor) -> torch.Tensor:
        return layer(h).relu().view(len(h), -1)  # as many a module does before its last layer

    traced = make_fx(flat)(x)
    torch.testing.assert_close(traced(x), expected.relu().flatten(1), rtol=1e-12, atol=1e-12)
