"""ResNet-12 against the network written out with functions, lane by lane, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt.algorithms import maml
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.models.base import Layout
from metaopt.models.make import make_model
from metaopt.models.registry import MODELS
from metaopt.tasks.base import Episodes, Examples
from tests import reference

SPEC = {"kind": "resnet12", "width": 2}
SHAPE = (3, 17, 16)


def written_out(w: dict[str, Tensor], h: Tensor) -> Tensor:
    def normed(h: Tensor, name: str) -> Tensor:
        mean = h.mean((0, 2, 3), keepdim=True)
        variance = (h - mean).square().mean((0, 2, 3), keepdim=True)
        gamma, beta = (w[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
        return (h - mean) / torch.sqrt(variance + 1e-5) * gamma + beta

    for block in ("blocks.0", "blocks.1", "blocks.2", "blocks.3"):
        beside = normed(F.conv2d(h, w[f"{block}.shortcut.0.weight"]), f"{block}.shortcut.1")
        for layer in (0, 3, 6):
            h = F.conv2d(h, w[f"{block}.layers.{layer}.weight"], padding=1)
            h = normed(h, f"{block}.layers.{layer + 1}")
            h = F.leaky_relu(h, 0.1) if layer < 6 else F.leaky_relu(h + beside, 0.1)
        h = F.max_pool2d(h, 2)
    return F.linear(h.mean((2, 3)), w["head.weight"], w["head.bias"])


@pytest.mark.parametrize("adapt", ["all", "head"])
def test_meta_gradients_are_those_of_a_loop_over_the_written_out_network(adapt: str) -> None:
    model = make_model({**SPEC, "adapt": adapt}, SHAPE, 2)
    learner = Learner(model, classification=True)
    phi = learner.layout.flatten(model.init(torch.tensor([1, 2]), torch.float64))
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 2, 2, 4, *SHAPE, generator=generator, dtype=torch.float64)
    y = torch.randint(2, (2, 2, 2, 4), generator=generator)
    found, loss = maml.meta_gradient(
        learner,
        phi,
        Episodes(Examples(x[0], y[0]), Examples(x[1], y[1])),
        inner_lr=torch.full((2,), 0.1, dtype=torch.float64),
        inner_steps=torch.ones(2, dtype=torch.int64),
        step_cap=1,
    )
    for lane in (0, 1):
        gradient, expected_loss = reference.maml_gradient(
            written_out,
            learner.layout.unflatten(phi[lane]),
            [((x[0, lane, t], y[0, lane, t]), (x[1, lane, t], y[1, lane, t])) for t in (0, 1)],
            inner_lr=0.1,
            steps=1,
            first_order=False,
            frozen=model.not_adapted,
        )
        expected = learner.layout.flatten(gradient)
        assert (found[lane] - expected).abs().max() <= 1e-9 * expected.abs().max()
        assert float(loss[lane]) == pytest.approx(float(expected_loss), rel=1e-10)


def test_its_size_is_known_from_shapes_alone() -> None:
    kind = MODELS.get("resnet12")
    options = kind.complete({"kind": "resnet12"})
    weights = Layout(kind.make(options, (3, 84, 84), 5).shapes).total
    assert kind.size_of(options, (3, 84, 84), 5).weights == pytest.approx(weights, rel=1e-3)
    assert 7e6 < weights < 9e6
    kind.check(options, (1, 28, 28))
    with pytest.raises(InvalidModel, match="at least 16×16"):
        kind.check(options, (3, 12, 84))


def test_it_computes_in_bfloat16_to_a_percent() -> None:
    model = make_model(SPEC, SHAPE, 2)
    params = model.init(torch.tensor([1]), torch.float32)
    x = torch.rand(1, 8, *SHAPE, generator=torch.Generator().manual_seed(0))
    plain = Learner(model, classification=True).outputs(params, x)
    low = Learner(model, classification=True, compute=torch.bfloat16).outputs(params, x)
    assert (low - plain).abs().max() < 0.1 * plain.abs().max()
