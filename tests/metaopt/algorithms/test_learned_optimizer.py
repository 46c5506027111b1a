"""The learned optimizer against an explicit loop, tensor by tensor and step by step."""

from dataclasses import replace

import pytest
import torch

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms.learners.coordinatewise import Lstm, Memoryless, log_and_sign
from metaopt.algorithms.learners.learned_optimizer import (
    LearnedOptimizer,
    judged_step,
    keys_of,
    meta_gradient,
)
from metaopt.errors import InvalidModel
from metaopt.models.conv4 import Conv4
from metaopt.tasks.base import Examples
from tests import algorithm_proofs as proofs
from tests import reference

SMALL = {"hidden": 4, "layers": 2}
REGRESSION = proofs.Case(
    "learned_optimizer",
    {"kind": "sinusoid", "k_shot": 4, "q_query": 3},
    {"kind": "mlp", "widths": [5], "activation": "tanh"},
    {**SMALL, "meta_batch": 3, "unroll": 2},
    ({"update_scale": 0.02, "inner_steps": 3}, {"update_scale": 0.1, "inner_steps": 5}),
    cap=5,
)
DRAWN = replace(
    REGRESSION,
    tasks={"kind": "quadratic", "dimension": 3, "k_shot": 3, "q_query": 3},
    model={"kind": "linear"},
    shared={**REGRESSION.shared, "start": "drawn", "network": "mlp"},
)
IMAGES = proofs.Case(
    "learned_optimizer",
    {"kind": "omniglot", "n_way": 3, "k_shot": 1, "q_query": 2, "rotations": "task"},
    {"kind": "conv4", "filters": 2},
    {**SMALL, "meta_batch": 2, "unroll": 2},
    ({"update_scale": 0.02, "inner_steps": 2}, {"update_scale": 0.1, "inner_steps": 3}),
    cap=3,
)
CASES = {"numbers": REGRESSION, "drawn": DRAWN, "images": IMAGES}
MODELS = pytest.mark.parametrize("problem", ["mlp", "conv4", "conv4-fixed-norm"], indirect=True)
MLP = pytest.mark.parametrize("problem", ["mlp"], indirect=True)
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def learned(plain, **own):
    """Return such a learner of a plain one, and a generic φ (2, P)."""
    learner = LearnedOptimizer.of(plain, **{"network": Lstm(2, 3), **own})
    generator = torch.Generator().manual_seed(8)
    phi = torch.randn(2, learner.layout.total, generator=generator, dtype=torch.float64)
    return learner, 0.4 * phi + 0.1


def apply_of(learner):
    model, own = learner.model, list(learner.model.shapes)
    if isinstance(model, Conv4):
        return lambda w, x: reference.conv4(w, x, model.pooling)
    return lambda w, x: reference.mlp({name: w[name] for name in own}, x, model.activation)


@pytest.mark.parametrize("second_order", [False, True], ids=["first", "second"])
@pytest.mark.parametrize(("steps", "unroll"), [((1, 3), 3), ((3, 5), 2)])
@MODELS
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, unroll, second_order):
    plain, _, episodes = problem
    learner, phi = learned(plain)
    scale = torch.tensor([0.05, 0.3], dtype=torch.float64)
    gradient, loss = meta_gradient(
        learner, phi, episodes, scale=scale, inner_steps=torch.tensor(steps), step_cap=max(steps),
        unroll=unroll, second_order=second_order,
    )  # fmt: skip
    for lane in range(2):
        expected, expected_loss = reference.learned_optimizer_gradient(
            apply_of(learner),
            learner.layout.unflatten(phi[lane]),
            list(learner.model.shapes),
            proofs.as_one_task_after_the_other(episodes, lane),
            scale=scale[lane],
            steps=steps[lane],
            unroll=unroll,
            second_order=second_order,
            frozen=learner.model.not_adapted,
        )
        assert float(loss[lane]) == pytest.approx(expected_loss, rel=1e-10)
        proofs.close(gradient[lane], learner.layout.flatten(expected))


@pytest.mark.parametrize("second_order", [False, True], ids=["first", "second"])
@MODELS
def test_with_fresh_weights_for_each_task_and_the_loss_on_what_is_followed(problem, second_order):
    plain, _, episodes = problem
    learner, phi = learned(plain, learned_start=False)
    assert list(learner.shapes) == list(learner.network.shapes)
    numbers = {"unroll": 2, "second_order": second_order, "on_support": True}
    gradient, loss = meta_gradient(
        learner, phi, episodes, scale=torch.tensor([0.05, 0.05], dtype=torch.float64),
        inner_steps=torch.tensor([3, 3]), step_cap=3, **numbers,
    )  # fmt: skip
    begun = learner.begin(learner.layout.unflatten(phi), episodes.support, 3)
    for lane in range(2):
        starts = iter(range(3))

        def start(x, y, lane=lane, starts=starts):
            task = next(starts)
            return {name: begun[name][lane, task].detach() for name in learner.model.shapes}

        expected, expected_loss = reference.learned_optimizer_gradient(
            apply_of(learner),
            learner.layout.unflatten(phi[lane]),
            list(learner.model.shapes),
            proofs.as_one_task_after_the_other(episodes, lane),
            scale=0.05,
            steps=3,
            frozen=learner.model.not_adapted,
            start=start,
            **numbers,
        )
        assert float(loss[lane]) == pytest.approx(expected_loss, rel=1e-10)
        proofs.close(gradient[lane], learner.layout.flatten(expected))


@MLP
def test_second_order_is_not_first_order(problem):
    plain, _, episodes = problem
    learner, phi = learned(plain)
    first, second = (
        meta_gradient(
            learner, phi, episodes, scale=torch.full((2,), 0.3, dtype=torch.float64),
            inner_steps=torch.tensor([3, 3]), step_cap=3, unroll=3, second_order=order,
        )[0]
        for order in (False, True)
    )  # fmt: skip
    assert (first - second).norm() / second.norm() > 1e-4


@MODELS
def test_a_judged_step_is_a_step_of_training(problem):
    """And carries the memory on: two steps are not twice the first."""
    plain, _, (support, _) = problem
    learner, flat = learned(plain)
    theta = learner.begin(learner.layout.unflatten(flat), support, 3)
    weights = learner.layout.unflatten(flat[0])
    apply, moved = apply_of(learner), learner.adapted
    fast = {name: weights[name] for name in learner.model.shapes}
    memory = {name: [(torch.zeros(fast[name].numel(), 3).double(),) * 2] * 2 for name in moved}
    numbers = {"update_scale": torch.full((2, 1), 0.2, dtype=torch.float64)}
    for step in range(3):
        theta, state = judged_step(learner, theta, support, numbers=numbers, state=None, step=step)
        assert state is None and not any(p.requires_grad for p in theta.values())
        fast = {name: p.detach().requires_grad_() for name, p in fast.items()}
        loss = reference.loss(apply(fast, support.x[0, 1]), support.y[0, 1])
        found = torch.autograd.grad(loss, [fast[name] for name in moved])
        for name, gradient in zip(moved, found, strict=True):
            change, memory[name] = reference.lstm_step(weights, memory[name], gradient)
            fast[name] = fast[name] + 0.2 * change
        for name in fast:
            assert torch.allclose(theta[name][0, 1], fast[name], rtol=1e-10, atol=1e-12)


def test_gradients_become_their_logarithms_and_their_signs():
    gradient = torch.tensor([0.0, 1.0, -1.0, torch.e**-10, -(torch.e**-2.5), 1e9])
    size, sign = log_and_sign(gradient.double()).unbind(-1)
    big = torch.tensor(1e9).double().log() / 5
    assert torch.allclose(size, torch.tensor([-1, 0, 0, -1, -0.5, big]).double(), atol=1e-6)
    assert torch.allclose(sign, torch.tensor([0, 1, -1, torch.e**-5, -1, 1]).double())


def test_fresh_weights_are_a_function_of_the_support_set_alone():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(4, 5, 2, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(4, 5, 1, generator=generator, dtype=torch.float64)
    keys = keys_of(Examples(x, y), 2)
    assert keys.shape == (4,) and len(set(keys.tolist())) == 4
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.equal(keys_of(Examples(x[:, order], y[:, order]), 2), keys)
    assert torch.equal(keys_of(Examples(x[2:3], y[2:3]), 2), keys[2:3])
    assert not torch.isin(keys_of(Examples(x, y[:, order]), 2), keys).any()
    classes = torch.arange(5).expand(4, 5)
    assert not torch.isin(keys_of(Examples(x, classes), 2), keys).any()


@MLP
@pytest.mark.parametrize("network", [Lstm(2, 3), Memoryless(2, 3)], ids=["lstm", "mlp"])
def test_a_lane_of_fewer_steps_is_not_moved_by_those_of_others(problem, network):
    plain, _, episodes = problem
    learner, phi = learned(plain, network=network)
    numbers = {"scale": torch.full((2,), 0.1, dtype=torch.float64), "unroll": 2}
    few, _ = meta_gradient(
        learner, phi, episodes, inner_steps=torch.tensor([2, 2]), step_cap=2, **numbers
    )
    mixed, _ = meta_gradient(
        learner, phi, episodes, inner_steps=torch.tensor([2, 5]), step_cap=6, **numbers
    )
    proofs.close(mixed[0], few[0])
    assert not torch.allclose(mixed[1], few[1])


def test_a_module_cannot_be_drawn_for_each_task():
    with pytest.raises(InvalidModel, match="made anew for each draw"):
        train(
            "learned_optimizer",
            tasks={"kind": "sinusoid"},
            model=torch.nn.Linear(1, 1),
            params={"start": "drawn"},
        )


@EVERY
def test_a_lane_is_a_trial_alone(case):
    assert proofs.apart(proofs.together_and_alone(case)) < 1e-9


@EVERY
def test_a_winners_file_answers_as_it_was_scored(case, tmp_path):
    path = tmp_path / "w.safetensors"
    assert proofs.apart(proofs.file_and_study(case, path)) < 1e-9


@pytest.mark.night
@EVERY
def test_a_compiled_program_trains_as_the_plain_one(case, programs):
    assert proofs.apart(proofs.compiled_and_plain(case, programs)) < 1e-9


@pytest.mark.parametrize("network", ["lstm", "mlp"])
def test_it_learns_to_minimise_quadratics(network):
    tasks = {"kind": "quadratic", "dimension": 4, "k_shot": 4, "q_query": 4}
    params = {
        "network": network, "hidden": 6, "start": "drawn", "loss_on": "support", "inner_steps": 8,
        "unroll": 8, "update_scale": 0.1, "meta_batch": 8, "outer_lr": 2e-2,
    }  # fmt: skip
    bank = BankSpec("test", seed=1, tasks=100, k_shot=4, q_query=4, steps=8)
    before, after = (
        evaluate(
            train("learned_optimizer", tasks=tasks, model={"kind": "linear"}, params=params,
                  meta_iterations=n),
            bank,
        )[0].curve_median
        for n in (1, 50)
    )  # fmt: skip
    assert after[0] == pytest.approx(before[0])  # they start alike
    assert after[8] < before[8] / 3
