"""Policy gradients: against explicit loops over trajectories, and what they do for a policy."""

import pytest
import torch
from torch import Tensor

from metaopt.algorithms import maml, policy, reptile
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidPopulation
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import evaluate
from metaopt.models.mlp import Mlp
from metaopt.population.train import train
from metaopt.tasks.base import Episodes, Examples
from metaopt.tasks.navigation import Navigation
from tests import explicit_policy, reference
from tests.algorithm_proofs import (
    Case,
    apart,
    as_one_task_after_the_other,
    close,
    population,
    together_and_alone,
)

TASKS = Navigation(horizon=6, dtype=torch.float64)
SPEC = {"kind": "navigation", "k_shot": 4, "q_query": 3, "horizon": 5}
ACTORS = [kind.name for kind in ALGORITHMS.kinds() if kind.does("actions")]
RATES = torch.tensor([0.05, 0.1], dtype=torch.float64)


@pytest.fixture
def problem() -> tuple[Learner, Tensor, Episodes]:
    """Two lanes of three tasks; in one of each a trajectory is at the goal after two actions."""
    learner = Learner(Mlp((2,), (5,), 2, "tanh"), False, environment=TASKS)
    phi = learner.layout.flatten(learner.init(torch.tensor([1, 2]), torch.float64))
    support, query = TASKS.sample("train", torch.arange(6).reshape(2, 3), 4, 3)
    parts = [Examples(part.x, part.y.clone()) for part in (support, query)]
    for lane in range(2):
        weights = learner.layout.unflatten(phi[lane])
        states, *_ = explicit_policy.trajectory(
            weights, parts[0].x[lane, 1, 2], torch.ones(2, dtype=torch.float64), TASKS.noise
        )
        for part in parts:
            part.y[lane, 1] = states[2]
    return learner, phi, Episodes(*parts)


def test_trajectories_and_their_returns_equal_those_of_a_loop(problem):
    learner, phi, episodes = problem
    theta = learner.begin(learner.layout.unflatten(phi), episodes.support, 3)
    found = policy.returns(learner.outputs, theta, TASKS, episodes.support)
    lengths = set()
    for lane in range(2):
        weights = learner.layout.unflatten(phi[lane])
        for task in range(3):
            for place in range(4):
                noise, goal = (part[lane, task, place] for part in episodes.support)
                *_, rewards = explicit_policy.trajectory(weights, noise, goal, TASKS.noise)
                assert found[lane, task, place].item() == pytest.approx(sum(rewards), rel=1e-12)
                lengths.add(len(rewards))
    assert lengths == {2, 6}


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [(1, 1), (1, 3)])
def test_meta_gradient_of_maml_equals_the_loop_over_trajectories(problem, steps, first_order):
    learner, phi, episodes = problem
    gradient, loss = maml.meta_gradient(
        learner, phi, episodes, inner_lr=RATES, inner_steps=torch.tensor(steps),
        step_cap=max(steps), first_order=first_order,
    )  # fmt: skip
    for lane in range(2):
        told, of_loop = reference.maml_gradient(
            explicit_policy.act, learner.layout.unflatten(phi[lane]),
            as_one_task_after_the_other(episodes, lane), inner_lr=RATES[lane], steps=steps[lane],
            first_order=first_order, loss=explicit_policy.loss,
        )  # fmt: skip
        close(gradient[lane], learner.layout.flatten(told))
        assert loss[lane].item() == pytest.approx(of_loop.item(), abs=1e-9)


def test_reptile_equals_the_loop_over_trajectories(problem):
    learner, phi, episodes = problem
    batches = reptile.mini_batches(torch.arange(6).reshape(2, 3), 4, 2, 3)
    gradient, *_ = reptile.meta_gradient(
        learner, phi, episodes.support, batches, inner_lr=RATES, inner_steps=torch.tensor([2, 3]),
        step_cap=3,
    )  # fmt: skip
    for lane in range(2):
        x, y = (part[lane] for part in episodes.support)
        todo = [[(x[t][i], y[t][i]) for i in batches[lane, t, : 2 + lane]] for t in range(3)]
        mean, _ = reference.reptile_average(
            explicit_policy.act, learner.layout.unflatten(phi[lane]), todo, inner_lr=RATES[lane],
            optimizer="sgd", loss=explicit_policy.loss,
        )  # fmt: skip
        told = phi[lane] - learner.layout.flatten(mean)
        assert apart([(gradient[lane], told)]) <= 1e-9


def test_the_gradient_is_that_of_the_expected_return():
    """REINFORCE, which sees rewards alone, goes where the derivative of the simulation goes."""
    tasks = Navigation(horizon=4, noise=0.02, discount=1.0, dtype=torch.float64)
    learner = Learner(Mlp((2,), (3,), 2, "tanh"), False, environment=tasks)
    start = learner.init(torch.tensor([[5]]), torch.float64)
    theta = {name: (0.05 * p).requires_grad_() for name, p in start.items()}  # no action is clipped
    support = tasks.sample("train", torch.tensor([[9]]), 20_000, 0).support
    score = torch.autograd.grad(learner.loss(theta, support).sum(), list(theta.values()))
    state, total = tasks.start(support), 0
    for t in range(4):
        action = learner.outputs(theta, state) + tasks.noise * support.x[..., t, :]
        state = tasks.step(state, action)
        total = total + (state - support.y).square().sum(-1).mean()
    pathwise = torch.autograd.grad(total, list(theta.values()))
    both = [torch.cat([g.flatten() for g in each]) for each in (score, pathwise)]
    assert torch.cosine_similarity(*both, dim=0) > 0.99


def test_the_curvature_has_the_outer_product_of_the_score():
    """∇²L = −(1/M) Σ Â (∇² log π + ∇ log π ∇ log πᵀ), with each term by itself."""
    learner = Learner(Mlp((2,), (), 2), False, environment=TASKS)
    layout, support = learner.layout, TASKS.sample("train", torch.tensor([[3]]), 3, 0).support
    start = layout.flatten(learner.init(torch.tensor([[4]]), torch.float64))

    def loss(flat: Tensor) -> Tensor:
        return learner.loss(layout.unflatten(flat[None, None]), support).sum()

    weights = layout.unflatten(start[0, 0])
    x, y = support.x[0, 0], support.y[0, 0]
    done = [explicit_policy.trajectory(weights, n, g, 0.1) for n, g in zip(x, y, strict=True)]
    of_each = explicit_policy.advantages(done, 0.99, TASKS.horizon)
    told, count = torch.zeros(layout.total, layout.total, dtype=torch.float64), 0
    for (states, actions, _), own in zip(done, of_each, strict=True):
        for state, action, advantage in zip(states, actions, own, strict=True):

            def log(flat: Tensor, state: Tensor = state, action: Tensor = action) -> Tensor:
                mean = reference.mlp(layout.unflatten(flat), state[None])[0]
                return -0.5 * ((action - mean) / 0.1).square().sum()

            score = torch.autograd.functional.jacobian(log, start[0, 0])
            second = torch.autograd.functional.hessian(log, start[0, 0])
            told -= float(advantage) * (second + torch.outer(score, score))
            count += 1
    found = torch.autograd.functional.hessian(loss, start[0, 0])
    assert apart([(found, told / count)]) <= 1e-9


@pytest.mark.parametrize(
    "algorithm",
    [
        "maml",
        "reptile",
        *(
            pytest.param(name, marks=[pytest.mark.slow, pytest.mark.night])
            for name in ACTORS
            if name not in ("maml", "reptile")
        ),
    ],
)
def test_lanes_are_trials_alone(algorithm):
    assert apart(together_and_alone(_case(algorithm))) <= 1e-9


def test_a_policy_is_not_compiled_and_says_why(tmp_path):
    made = population(_case("maml"), trained=False)
    with pytest.raises(InvalidPopulation, match="a policy is not compiled: the loop of its traje"):
        made.use_compiled(tmp_path)
    assert not made.compiled and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("algorithm", "params"),
    [
        ("maml", {"outer_lr": 0.01, "inner_lr": 0.1}),
        ("reptile", {"epsilon": 1.0, "inner_lr": 0.05, "inner_steps": 3}),
    ],
)
def test_the_return_rises_after_one_step(algorithm, params):
    """Returns are below 0: who stands still has −8 E‖g‖² = −1.33, who knows the goal about −0.3."""
    tasks = {"kind": "navigation", "horizon": 8, "k_shot": 10, "q_query": 10}
    bank = BankSpec("test", seed=1, tasks=60, k_shot=10, q_query=10, steps=1)
    params = {"meta_batch": 4, "test_steps": 1, **params}
    curves = [
        evaluate(
            train(
                algorithm, tasks=tasks, model={"kind": "mlp", "widths": [16]}, params=params,
                meta_iterations=iterations,
            ),
            bank,
        )[0].curve
        for iterations in (1, 60)
    ]  # fmt: skip
    (_, untrained), (before, after) = curves
    assert after > 0.6 * before
    assert after > 0.7 * untrained


def _case(algorithm: str) -> Case:
    own = ALGORITHMS.get(algorithm).parameters()
    lanes = (
        {"inner_lr": 0.05, "inner_steps": 1, "test_steps": 1},
        {"inner_lr": 0.02, "inner_steps": 2, "test_steps": 2},
    )
    shared = {"meta_batch": 2, "inner_batch": 2}
    return Case(
        algorithm=algorithm,
        tasks=SPEC,
        model={"kind": "mlp", "widths": [6]},
        shared={name: value for name, value in shared.items() if name in own},
        lanes=tuple({name: v for name, v in lane.items() if name in own} for lane in lanes),
        cap=2,
    )
