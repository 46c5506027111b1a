"""The head of a model, apart from the body below it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from metaopt.errors import InvalidModel
from metaopt.models.base import Layout
from metaopt.models.conv4 import Conv4
from metaopt.models.head import head_of, with_features
from metaopt.models.lift import lift
from metaopt.models.make import make_model
from metaopt.models.mlp import Mlp
from tests.fakes.modules import INPUT_SHAPE, LANE_BY_LANE, MAPPED, OUTPUTS


def lifted(make: Callable[[], nn.Module], shape: tuple[int, ...] = INPUT_SHAPE):
    kind = lift(lambda shape, outputs: make())
    return kind.make(kind.complete({}), shape, OUTPUTS)


class Twice(nn.Module):
    """Its last layer is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(torch.tanh(self.head(self.body(x))))
        return result


class AfterAll(nn.Module):
    """Its last layer is not what comes last."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.head(self.body(x)))


class ForTokens(nn.Module):
    """Its last layer answers each token."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(x.reshape(-1, 2, 2)).mean(1)
        return result


class ByName(AfterAll):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(input=self.body(x))
        return result


MODELS = {
    "mlp": (Mlp((3,), (5, 4), 2), ("w2", "b2"), 4),
    "linear": (make_model({"kind": "linear"}, (3,), 2), ("w0", "b0"), 3),
    "conv4": (Conv4((1, 28, 28), 2, filters=3), ("w", "b"), 12),
    "conv4, pooling": (Conv4((1, 16, 16), 2, filters=3, pooling="max"), ("w", "b"), 3),
    "lifted": (lifted(MAPPED["BatchNorm1d"]), ("head.weight", "head.bias"), None),
    "a linear layer": (lifted(lambda: nn.Linear(4, 2)), ("weight", "bias"), 4),
    "no bias": (
        lifted(lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2, bias=False))),
        ("2.weight",),
        3,
    ),
    "resnet12": (make_model({"kind": "resnet12", "width": 1}, (1, 16, 16), 2), None, 8),
}


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_what_the_head_answers_for_the_features(name: str) -> None:
    model, head, width = MODELS[name]
    head = head or ("head.weight", "head.bias")
    assert head_of(model) == head
    assert with_features(model) is model
    flat = torch.rand(2, 1, Layout(model.shapes).total, dtype=torch.float64) - 0.5
    params = Layout(model.shapes).unflatten(flat.expand(2, 3, -1).requires_grad_())
    x = torch.rand(2, 3, 6, *model.input_shape, dtype=torch.float64)
    for reference in (None, 4):
        features = model.features(params, x, reference=reference)
        assert features.shape == (2, 3, 6, width or features.shape[-1])
        outputs = model.apply(params, x, reference=reference)
        again = model.answer({n: params[n] for n in head}, features)
        assert torch.allclose(again, outputs, rtol=1e-12, atol=1e-12)
    if len(params) > len(head):
        leaves = [params[n] for n in params if n in head]
        found = torch.autograd.grad(features.sum(), leaves, allow_unused=True)
        assert all(gradient is None or not gradient.any() for gradient in found)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "no bias"])
def test_any_affine_map_can_be_the_head(name: str) -> None:
    model = MODELS[name][0]
    params = model.init(torch.arange(3), torch.float64)
    x = torch.rand(3, 6, *model.input_shape, dtype=torch.float64)
    features = model.features(params, x)
    weight, bias = torch.rand(3, features.shape[-1], 2).double(), torch.rand(3, 2).double()
    head = model.as_head(weight, bias)
    assert {n: p.shape[1:] for n, p in head.items()} == {n: model.shapes[n] for n in head_of(model)}
    expected = features @ weight + bias[:, None]
    assert torch.allclose(model.apply({**params, **head}, x), expected, rtol=1e-12, atol=1e-12)


def test_a_head_without_bias_cannot_be_any_affine_map() -> None:
    with pytest.raises(InvalidModel, match="no bias"):
        MODELS["no bias"][0].as_head(torch.zeros(1, 3, 2), torch.zeros(1, 2))


@pytest.mark.parametrize("make", [Twice, AfterAll, ForTokens, ByName])
def test_features_are_not_offered_where_the_last_layer_is_not_affine_at_last(
    make: type[nn.Module],
) -> None:
    model = lifted(make)
    assert head_of(model) == ("head.weight", "head.bias")
    assert with_features(model) is None


def test_features_of_a_module_that_is_computed_lane_by_lane() -> None:
    with pytest.warns(UserWarning, match="lane by lane"):
        model = lifted(next(iter(LANE_BY_LANE.values())))
    params = model.init(torch.arange(3), torch.float64)
    x = torch.rand(3, 6, 4, dtype=torch.float64)
    again = model.answer(params, model.features(params, x))
    assert torch.allclose(again, model.apply(params, x), rtol=1e-12)


def test_a_model_that_does_not_say_its_head_is_refused_where_it_is_needed() -> None:
    class Own:
        shapes = {"w": (3, 2)}

    with pytest.raises(InvalidModel, match="does not say which parameters are its head"):
        head_of(Own())
    assert with_features(Own()) is None
