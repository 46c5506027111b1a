"""CAVIA: inner steps of inputs that a task has of its own."""

import pytest
import torch

from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.context import CONTEXT, Context
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidModel
from metaopt.models.conv4 import Conv4
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Episodes, Examples
from tests import reference
from tests.metaopt.algorithms import inner_loops

SIZE = 2
MODELS = {
    "mlp": Mlp((2 + SIZE,), (8, 8), 1),
    "conv4": Conv4((1 + SIZE, 16, 16), 3, filters=4),
    "conv4-max": Conv4((1 + SIZE, 16, 16), 3, filters=4, pooling="max"),
    "conv4-products": Conv4((1 + SIZE, 16, 16), 3, filters=4, form="products"),
}


def problem(kind: str):
    """Return (learner, phi (2, P), episodes (2, 3 tasks))."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    model = MODELS[kind]
    learner = Learner(model, classification=kind != "mlp")
    shape = (model.input_shape[0] - SIZE, *model.input_shape[1:])
    y = torch.arange(3).repeat(2).expand(2, 3, -1)
    support, query = (
        Examples(normal(2, 3, 6, *shape), normal(2, 3, 6, 1) if kind == "mlp" else y)
        for _ in range(2)
    )
    return learner, 0.4 * normal(2, learner.layout.total) + 0.1, Episodes(support, query)


def plain(learner):
    def apply(weights, x):
        if isinstance(learner.model, Conv4):
            return reference.conv4(weights, x, learner.model.pooling)
        return reference.mlp(weights, x)

    return apply


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (1, 5)])
@pytest.mark.parametrize("kind", MODELS)
def test_meta_gradient_equals_the_loop_over_tasks(kind, steps, order):
    learner, phi, episodes = problem(kind)
    found = inner_loops.meta_gradient(
        "cavia", learner, phi, episodes, step_cap=max(steps), order=order, context=SIZE,
        numbers=inner_loops.numbers(steps),
    )  # fmt: skip
    for lane in range(2):
        tasks = [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(3)]
        gradient, loss = reference.cavia_gradient(
            plain(learner), learner.layout.unflatten(phi[lane]), tasks, context=SIZE,
            inner_lr=inner_loops.RATES[lane], steps=steps[lane], first_order=order == "first",
        )  # fmt: skip
        told = learner.layout.flatten(gradient)
        assert torch.allclose(found.loss[lane], loss, rtol=0, atol=1e-9)
        assert (found.gradient[lane] - told).abs().max() < 1e-9 * told.abs().max()


def test_the_derivative_goes_through_the_adaptation():
    learner, phi, episodes = problem("mlp")
    first, second = (
        inner_loops.meta_gradient(
            "cavia", learner, phi, episodes, step_cap=3, order=order, context=SIZE,
            numbers=inner_loops.numbers((3, 3)),
        ).gradient
        for order in ("first", "second")
    )  # fmt: skip
    assert (second - first).abs().max() > 1e-3 * second.abs().max()


@pytest.mark.parametrize("kind", MODELS)
def test_the_context_is_a_constant_beside_the_inputs(kind):
    learner, phi, episodes = problem(kind)
    own = Context.of(learner, size=SIZE)
    theta = own.begin(learner.layout.unflatten(phi), episodes.support, 3)
    assert torch.equal(theta[CONTEXT], torch.zeros(2, 3, SIZE, dtype=torch.float64))
    theta = theta | {CONTEXT: torch.rand(2, 3, SIZE, dtype=torch.float64)}
    x = episodes.support.x
    found = own.outputs(theta, x)
    beside = theta[CONTEXT][1, 2].reshape(1, SIZE, *(1,) * (x.dim() - 4))
    one = torch.cat([x[1, 2], beside.expand(6, SIZE, *x.shape[4:])], dim=1)
    weights = {n: p[1] for n, p in learner.layout.unflatten(phi).items()}
    assert torch.allclose(found[1, 2], learner.model.apply(weights, one), rtol=1e-10)
    shared = own.outputs(theta, x[0])  # the same inputs for all lanes
    assert torch.allclose(shared[0], found[0], rtol=1e-10)


def test_a_model_is_made_with_as_many_more_inputs():
    record = ALGORITHMS.get("cavia")
    options = record.structure(record.complete({"context": 4}))
    assert record.model_shapes(options, (1, 28, 28), 5) == ((5, 28, 28), 5)
    made = inner_loops.population("cavia", [{}], context=4)
    assert made.program.learner.model.shapes["w0"] == (5, 6)
    assert set(made.weights("t0")) == {"w0", "b0", "w1", "b1"}


def test_a_weight_of_the_same_name_is_refused():
    class Own:
        shapes = {CONTEXT: (3, 2)}

    with pytest.raises(InvalidModel, match="rename it"):
        Context.of(Learner(Own(), classification=False), size=1)
