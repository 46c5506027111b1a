"""A loss of one's own: trained by, adapted by, and checked before anything trains."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from metaopt.algorithms import maml, reptile
from metaopt.algorithms.inner_step import gradient_step
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidTasks
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import evaluate
from metaopt.models.mlp import Mlp
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of
from metaopt.population.train import train
from metaopt.tasks.base import Episodes, Examples
from metaopt.tasks.kind import TaskKind
from metaopt.tasks.registry import TASKS
from metaopt.winner import read_winner
from tests import reference
from tests.fakes.toys import PARABOLA, Parabola

MLP = {"kind": "mlp", "widths": [8]}
ONE = {"inner_lr": 0.1, "meta_batch": 4}


def pinball(outputs: Tensor, y: Tensor) -> Tensor:
    """Of the quantile 0.9: whoever predicts too little loses more."""
    off = y - outputs
    return torch.maximum(0.9 * off, -0.1 * off).mean((-2, -1))


def quartic(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs - y).pow(4).mean((-2, -1))


def plain(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The same over one task, written for a loop."""
    if loss is pinball:
        return lambda o, y: (
            sum(  # type: ignore[return-value]
                (
                    max(0.9 * (b - a), -0.1 * (b - a))
                    for a, b in zip(o.flatten(), y.flatten(), strict=True)
                ),
                torch.zeros((), dtype=o.dtype),
            )
            / o.numel()
        )
    return lambda o, y: ((o - y) ** 4).sum() / o.numel()


def with_loss(loss: Any) -> TaskKind:
    return replace(PARABOLA, loss=loss)


def signature(**more: Any) -> Signature:
    tasks = {"kind": "parabola", "k_shot": 4, "q_query": 4, "steepest": 2.0, "axis": "up"}
    return signature_of(tasks=tasks, model=MLP, algorithm="maml", params=ONE, **more)


@pytest.fixture
def episodes() -> Episodes:
    generator = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    support = Examples(normal(2, 3, 5, 2), normal(2, 3, 5, 1))
    return Episodes(support, Examples(normal(2, 3, 7, 2), normal(2, 3, 7, 1)))


def learnt(loss: Any) -> tuple[Learner, Tensor]:
    learner = Learner(Mlp((2,), (6,), 1, "tanh"), classification=False, own_loss=loss)
    generator = torch.Generator().manual_seed(3)
    phi = torch.randn(2, learner.layout.total, generator=generator, dtype=torch.float64)
    return learner, 0.4 * phi


def apply(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    return reference.mlp(weights, x, "tanh")


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("loss", [pinball, quartic])
def test_meta_gradients_are_those_of_a_plain_loop(
    loss: Any, first_order: bool, episodes: Episodes
) -> None:
    learner, phi = learnt(loss)
    rates, steps = torch.tensor([0.05, 0.1]).double(), torch.tensor([2, 1])
    gradient, losses = maml.meta_gradient(
        learner, phi, episodes, inner_lr=rates, inner_steps=steps, step_cap=2,
        first_order=first_order,
    )  # fmt: skip
    (x, y), (query_x, query_y) = episodes
    for lane in (0, 1):
        expected, value = reference.maml_gradient(
            apply,
            learner.layout.unflatten(phi[lane]),
            [((x[lane, t], y[lane, t]), (query_x[lane, t], query_y[lane, t])) for t in range(3)],
            inner_lr=rates[lane],
            steps=int(steps[lane]),
            first_order=first_order,
            loss=plain(loss),
        )
        assert torch.allclose(gradient[lane], learner.layout.flatten(expected), atol=1e-12)
        assert torch.allclose(losses[lane], value, atol=1e-12)


@pytest.mark.parametrize("loss", [pinball, quartic])
def test_reptile_and_the_adaptation_that_is_judged_follow_it(loss: Any, episodes: Episodes) -> None:
    learner, phi = learnt(loss)
    x, y = episodes.support
    rate = torch.tensor([0.05, 0.1]).double()
    batches = torch.arange(5).expand(2, 3, 2, 5)
    gradient, _, _ = reptile.meta_gradient(
        learner, phi, episodes.support, batches, inner_lr=rate, inner_steps=torch.tensor([2, 2]),
        step_cap=2,
    )  # fmt: skip
    theta = {
        n: p[:, None].expand(-1, 3, *p.shape[1:]) for n, p in learner.layout.unflatten(phi).items()
    }
    moved, _ = gradient_step(
        learner, theta, episodes.support, numbers={"inner_lr": rate[:, None]}, state=None
    )
    for lane in (0, 1):
        weights = learner.layout.unflatten(phi[lane])
        for steps, found in ((2, phi[lane] - gradient[lane]), (1, None)):
            tasks = [[(x[lane, t], y[lane, t])] * steps for t in range(3)]
            mean, _ = reference.reptile_average(
                apply, weights, tasks, inner_lr=rate[lane], optimizer="sgd", loss=plain(loss)
            )
            if found is None:
                found = learner.layout.flatten({n: p[lane].mean(0) for n, p in moved.items()})
            assert torch.allclose(found, learner.layout.flatten(mean), atol=1e-12)


def test_training_follows_the_loss_and_scores_follow_the_metric() -> None:
    bank = BankSpec("test", seed=0, tasks=40, k_shot=4, q_query=20, steps=1)
    spread = {}
    for name, kind in (("squares", PARABOLA), ("pinball", with_loss(pinball))):
        trained = train(
            "maml", tasks=kind, model=MLP, params=ONE, meta_iterations=800, k_shot=4, q_query=4
        )
        (scores,) = evaluate(trained, bank)
        spread[name] = scores.curve[0]
        query = (
            kind.make(kind.complete({}), "cpu", torch.float32, None)
            .sample("test", torch.arange(200), 1, 5)
            .query
        )
        weights = {n: p[None] for n, p in trained.weights(0).items()}
        outputs = trained.learner.outputs(weights, query.x)
        over = float((outputs > query.y).float().mean())
        assert (over > 0.8) == (name == "pinball")
    assert spread["pinball"] > spread["squares"]  # mean squared errors, both


def test_an_object_brings_its_own() -> None:
    class Mine(Parabola):
        def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
            return quartic(outputs, y)

    by_kind = train("maml", tasks=with_loss(quartic), model=MLP, params=ONE, meta_iterations=3)
    by_object = train("maml", tasks=Mine(), model=MLP, params=ONE, meta_iterations=3)
    assert torch.equal(by_kind.phi, by_object.phi)
    other = train("maml", tasks=PARABOLA, model=MLP, params=ONE, meta_iterations=3)
    assert not torch.equal(by_kind.phi, other.phi)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (
            lambda o, y: (o - y).square().mean(),
            r"one number for each task, of shape \(2, 2\).*got \(\)",
        ),
        (lambda o, y: 1.0, r"must give one number for each task, of shape \(2, 2\) .* got 1.0"),
        (lambda o, y: (o.detach() - y).square().mean((-2, -1)), "has no gradient"),
        (lambda o, y: (o - y.mean()).square().mean((-2, -1)), "depends on the tasks beside it"),
        (lambda o, y: o @ y, "fails for outputs of shape .* and targets of shape"),
    ],
)
def test_what_is_no_loss_is_refused_before_anything_trains(loss: Any, words: str) -> None:
    with pytest.raises(InvalidTasks, match=words):
        train("maml", tasks=with_loss(loss), model=MLP, params=ONE, meta_iterations=1)


def test_a_loss_that_is_not_finite_is_a_result() -> None:
    def root(outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y - 1e3).sqrt().mean((-2, -1))

    population = Population(signature(), tasks=with_loss(root))
    population.admit("a", ONE, seed=1, horizon=2)
    population.advance(1)
    assert population.state("a").diverged_at == 0


def test_programs_of_other_losses_have_other_names(tmp_path: Path) -> None:
    paths = {
        Population(signature(), tasks=with_loss(loss), program_lanes=2).program_path(tmp_path)
        for loss in (None, pinball, quartic)
    }
    assert len(paths) == 3


@pytest.mark.night
def test_a_loss_is_compiled(tmp_path: Path) -> None:
    eager, compiled = (
        Population(signature(dtype="float64"), tasks=with_loss(pinball), program_lanes=2)
        for _ in range(2)
    )
    compiled.use_compiled(tmp_path)
    for population in (eager, compiled):
        population.admit("a", ONE, seed=3, horizon=9)
        population.advance(3)
    assert torch.allclose(compiled.trained().phi, eager.trained().phi, rtol=1e-8)


def test_a_winner_adapts_by_the_loss_that_it_was_trained_by(tmp_path: Path) -> None:
    kind, path = with_loss(quartic), tmp_path / "winner.safetensors"
    population = Population(signature(dtype="float64"), tasks=kind)
    population.admit("a", ONE, seed=3, horizon=9)
    population.advance(3)
    population.write_model("a", path, transductive=True)
    x, y = torch.linspace(-1, 1, 5)[:, None].double(), torch.linspace(0, 1, 5)[:, None].double()
    with TASKS.including(kind):
        found = read_winner(path).adapt(x, y, steps=1).weights
    weights = {n: p.clone().requires_grad_() for n, p in population.weights("a").items()}
    loss = plain(quartic)(reference.mlp(weights, x), y)
    for (name, weight), gradient in zip(
        weights.items(), torch.autograd.grad(loss, list(weights.values())), strict=True
    ):
        assert torch.allclose(found[name], weight - 0.1 * gradient, atol=1e-12)
    with pytest.raises(InvalidTasks, match="adapts by the loss of tasks 'parabola', which are not"):
        read_winner(path).adapt(x, y)
