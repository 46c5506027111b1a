"""Initial weights and biases: moments of each rule, and a function of the key."""

import math

import pytest
import torch

from metaopt.models.base import Layout
from metaopt.models.conv4 import Conv4
from metaopt.models.initialization import WEIGHTS, biases, weights
from metaopt.models.kind import INIT
from metaopt.models.make import make_model
from metaopt.models.mlp import Mlp

LAYERS = [(50, 20), (1, 40), (16, 8, 3, 3)]  # in, out; of a convolution out, in, height, width
KEYS = torch.arange(400)


def fans(layer: tuple[int, ...]) -> tuple[int, int]:
    if len(layer) == 2:
        return layer[0], layer[1]
    taps = layer[2] * layer[3]
    return layer[1] * taps, layer[0] * taps


def deviation(init: str, layer: tuple[int, ...]) -> float:
    fan_in, fan_out = fans(layer)
    return {
        "glorot": math.sqrt(2 / (fan_in + fan_out)),
        "lecun": math.sqrt(1 / fan_in),
        "he": math.sqrt(2 / fan_in),
        "torch": math.sqrt(1 / (3 * fan_in)),
        "truncated_normal": 0.0088,  # of a normal of 0.01, cut at two deviations
    }[init]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("init", INIT.choices)
def test_weights_have_the_moments_of_their_rule(init, layer):
    drawn = weights(init, KEYS, layer, torch.float64)
    assert drawn.shape == (400, *layer)
    expected = deviation(init, layer)
    assert abs(drawn.std() / expected - 1) < 0.03
    assert abs(drawn.mean()) < 5 * expected / math.sqrt(drawn.numel())
    kurtosis = (drawn / expected).pow(4).mean()
    shape = {"glorot": 1.8, "torch": 1.8, "lecun": 3.0, "he": 3.0, "truncated_normal": 2.37}
    assert abs(kurtosis / shape[init] - 1) < 0.05  # uniform, normal, cut normal


def test_bounds_are_kept():
    for layer in LAYERS:
        fan_in, fan_out = fans(layer)
        for init, bound in (
            ("glorot", math.sqrt(6 / (fan_in + fan_out))),
            ("torch", 1 / math.sqrt(fan_in)),
            ("truncated_normal", 0.02),
        ):
            assert 0.99 * bound < weights(init, KEYS, layer, torch.float64).abs().max() <= bound


@pytest.mark.parametrize("init", INIT.choices)
def test_biases_are_zero_but_for_those_of_torch(init):
    drawn = biases(init, KEYS, (50, 20), torch.float64)
    assert drawn.shape == (400, 20)
    if init != "torch":
        assert (drawn == 0).all()
        return
    assert drawn.abs().max() <= 1 / math.sqrt(50)
    assert abs(drawn.std() * math.sqrt(3 * 50) - 1) < 0.03


def test_torch_is_what_torch_draws():
    torch.manual_seed(0)
    layers = [torch.nn.Linear(50, 20, dtype=torch.float64) for _ in range(400)]
    for drawn, theirs in (
        (weights("torch", KEYS, (50, 20), torch.float64), [layer.weight for layer in layers]),
        (biases("torch", KEYS, (50, 20), torch.float64), [layer.bias for layer in layers]),
    ):
        stacked = torch.stack(theirs).detach()
        assert abs(drawn.std() / stacked.std() - 1) < 0.03
        assert abs(drawn.abs().max() / stacked.abs().max() - 1) < 0.01


def models(init: str) -> list[Mlp | Conv4]:
    return [
        Mlp((3,), (8, 8), 2, init_kind=init),
        Conv4((1, 28, 28), 5, filters=3, init_kind=init),
    ]


@pytest.mark.parametrize("init", INIT.choices)
def test_the_same_key_gives_the_same_bits_alone_and_among_lanes(init):
    for model in models(init):
        layout = Layout(model.shapes)
        lanes = layout.flatten(model.init(torch.tensor([7, 8, 7]), torch.float32))
        assert torch.equal(lanes[0], lanes[2]) and not torch.equal(lanes[0], lanes[1])
        alone = layout.flatten(model.init(torch.tensor(8), torch.float32))
        assert torch.equal(lanes[1], alone)


def test_layers_of_one_shape_differ():
    for init in INIT.choices:
        params = Mlp((8,), (8, 8), 2, init_kind=init).init(torch.tensor(1), torch.float64)
        assert not torch.equal(params["w0"], params["w1"])
        if init == "torch":
            assert not torch.equal(params["b0"], params["b1"])


def test_models_start_by_the_rule_of_their_spec():
    assert tuple(WEIGHTS) == INIT.choices
    for kind, shape, first in (("mlp", (4,), "w0"), ("conv4", (1, 28, 28), "conv0")):
        for init in INIT.choices:
            model = make_model({"kind": kind, "init": init}, shape, 5)
            params = model.init(KEYS[:50], torch.float64)
            expected = deviation(init, model.shapes[first])
            assert abs(params[first].std() / expected - 1) < 0.1
        default = make_model({"kind": kind}, shape, 5).init(KEYS[:2], torch.float64)
        named = make_model({"kind": kind, "init": INIT.default}, shape, 5).init(
            KEYS[:2], torch.float64
        )
        assert all(torch.equal(default[name], named[name]) for name in default)


def test_conv4_starts_with_identity_norms():
    for init in INIT.choices:
        params = Conv4((1, 28, 28), 5, 4, init_kind=init).init(KEYS[:3], torch.float64)
        assert (params["gamma2"] == 1).all() and (params["beta2"] == 0).all()
        assert bool((params["b"] == 0).all()) is (init != "torch")
