"""Models: shapes, layout, initial weights, and each lane by itself."""

import pytest
import torch

from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.models.base import Layout
from metaopt.models.conv4 import Conv4
from metaopt.models.make import make_model
from metaopt.models.mlp import Mlp

MODELS = [
    Mlp((3,), (8, 8), 2),
    Mlp((3,), (), 2),
    Mlp((1, 6, 6), (5,), 4, "tanh"),
    Conv4((1, 28, 28), 5, filters=3),
    Conv4((1, 28, 28), 5, filters=3, pooling="max"),
    Conv4((3, 20, 30), 5, filters=3, adapt_norm=False),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_each_lane_is_computed_by_itself(model):
    layout = Layout(model.shapes)
    keys = torch.arange(6).reshape(2, 3)
    params = model.init(keys, torch.float64)
    assert {k: v.shape[2:] for k, v in params.items()} == model.shapes
    x = torch.rand(2, 3, 4, *model.input_shape, dtype=torch.float64)
    out = model.apply(params, x)
    assert out.shape == (2, 3, 4, model.outputs)
    flat = layout.flatten(params)
    assert flat.shape == (2, 3, layout.total)
    one = model.apply(layout.unflatten(flat[1, 2]), x[1, 2])
    assert torch.allclose(out[1, 2], one, atol=1e-12)
    shared = model.apply(params, x[1, 2])  # inputs without lanes go to every lane
    assert torch.allclose(shared[1, 2], one, atol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_initial_weights_are_a_function_of_the_key(model):
    flat = Layout(model.shapes).flatten(model.init(torch.tensor([7, 8, 7]), torch.float32))
    assert torch.equal(flat[0], flat[2])
    assert not torch.equal(flat[0], flat[1])


def test_norm_weights_can_be_kept_out_of_the_inner_loop():
    fixed = Conv4((1, 28, 28), 5, adapt_norm=False).not_adapted
    assert fixed == {f"{kind}{i}" for kind in ("gamma", "beta") for i in range(4)}
    adapted = Learner(Conv4((1, 28, 28), 5, adapt_norm=False), classification=True).adapted
    assert adapted == ("conv0", "conv1", "conv2", "conv3", "w", "b")


def test_models_are_built_for_the_tasks():
    assert make_model({"kind": "linear"}, (4,), 2).shapes == {"w0": (4, 2), "b0": (2,)}
    assert make_model({"kind": "conv4", "filters": 8}, (1, 28, 28), 5).shapes["w"] == (32, 5)
    with pytest.raises(InvalidModel, match="16×16"):
        make_model({"kind": "conv4"}, (1,), 1)
    with pytest.raises(InvalidModel, match="'resnet'"):
        make_model({"kind": "resnet"}, (1, 28, 28), 5)


@pytest.mark.parametrize("pooling", ["stride", "max"])
@pytest.mark.parametrize("reference", [None, 3])
def test_both_forms_of_conv4_are_one_network(pooling, reference):
    """Odd sides, and batch statistics of all examples or of the first ones only."""
    x = torch.rand(2, 5, 1, 19, 19, generator=torch.Generator().manual_seed(1)).double()
    outputs = [
        model.apply(model.init(torch.tensor([1, 2]), torch.float64), x, reference=reference)
        for model in (
            Conv4((1, 19, 19), 5, 4, pooling, form=f) for f in ("convolutions", "products")
        )
    ]
    assert torch.allclose(*outputs, rtol=1e-10, atol=1e-12)
