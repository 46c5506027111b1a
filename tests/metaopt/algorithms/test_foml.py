"""First-order tails: the last step of Reptile's inner loop, against hand-written loops."""

import pytest
import torch

from metaopt.algorithms import foml, reptile
from metaopt.algorithms.inner import InnerState
from metaopt.tasks.base import Examples
from tests import reference
from tests.metaopt.algorithms.test_maml import reference_apply


@pytest.mark.parametrize("problem", ["mlp", "conv4"], indirect=True)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("tailed", [False, True], ids=["mini-batch", "tail"])
@pytest.mark.parametrize("steps", [(1, 4), (3, 5)])
def test_outer_gradient_equals_the_hand_written_loop(problem, steps, tailed, optimizer):
    learner, phi, (support, query) = problem
    size, tasks = support.y.shape[2], 3
    keys = torch.arange(2 * tasks).reshape(2, tasks)
    batches = reptile.mini_batches(keys, size, 4, max(steps))
    memory = torch.rand(2, phi.shape[1], dtype=torch.float64) * 0.1
    state = InnerState(learner.layout.unflatten(memory), torch.full((2, 1), 7.0).double())
    inner_lr = torch.tensor([0.05, 0.02], dtype=torch.float64)
    gradient, _, after = foml.meta_gradient(
        learner,
        phi,
        support,
        batches,
        inner_lr=inner_lr,
        inner_steps=torch.tensor(steps),
        step_cap=max(steps),
        state=state if optimizer == "adam" else None,
        tail=query if tailed else None,
    )
    for lane in range(2):
        seen = [
            [(support.x[lane, t][i], support.y[lane, t][i]) for i in batches[lane, t]]
            for t in range(tasks)
        ]
        count = steps[lane]
        last = [
            (query.x[lane, t], query.y[lane, t]) if tailed else seen[t][count - 1]
            for t in range(tasks)
        ]

        def average(todo, lane=lane):
            return reference.reptile_average(
                reference_apply(learner),
                learner.layout.unflatten(phi[lane]),
                todo,
                inner_lr=inner_lr[lane],
                optimizer=optimizer,
                memory=(learner.layout.unflatten(memory[lane]), 7),
            )

        before, _ = average([batches[: count - 1] for batches in seen])
        end, (v, taken) = average(
            [[*batches[: count - 1], tail] for batches, tail in zip(seen, last, strict=True)]
        )
        expected = learner.layout.flatten(before) - learner.layout.flatten(end)
        assert (gradient[lane] - expected).abs().max() < 1e-9 * expected.abs().max()
        if optimizer == "adam":
            remembered = learner.layout.flatten({name: p[lane] for name, p in after.v.items()})
            assert torch.allclose(remembered, learner.layout.flatten(v), rtol=1e-9, atol=1e-14)
            assert after.steps[lane].item() == taken


def test_with_a_tail_it_is_first_order_maml_times_the_inner_rate(problem):
    learner, phi, (support, query) = problem
    if learner.model.not_adapted:
        pytest.skip("Reptile's inner steps move every weight")
    everything = torch.arange(support.y.shape[2]).expand(2, 3, 3, -1)
    gradient, loss, _ = foml.meta_gradient(
        learner,
        phi,
        support,
        everything,
        inner_lr=torch.tensor([0.05, 0.1], dtype=torch.float64),
        inner_steps=torch.tensor([3, 2]),
        step_cap=3,
        tail=query,
    )
    for lane, (rate, steps) in enumerate([(0.05, 2), (0.1, 1)]):
        tasks = [tuple((e.x[lane, t], e.y[lane, t]) for e in (support, query)) for t in range(3)]
        expected, expected_loss = reference.maml_gradient(
            reference_apply(learner), learner.layout.unflatten(phi[lane]), tasks,
            inner_lr=rate, steps=steps, first_order=True,
        )  # fmt: skip
        flat = rate * learner.layout.flatten(expected)
        assert (gradient[lane] - flat).abs().max() < 1e-9 * flat.abs().max()
        assert torch.allclose(loss[lane], expected_loss, rtol=1e-9)


def test_a_tail_has_no_example_of_the_other_steps():
    from metaopt.algorithms.registry import ALGORITHMS
    from metaopt.tasks.make import make_tasks

    tasks = make_tasks({"kind": "sinusoid"}, device="cpu", dtype=torch.float64)
    drawn = ALGORITHMS.get("foml").draw(
        tasks,
        torch.arange(6).reshape(2, 3),
        k_shot=4,
        q_query=9,
        options={"train_shots": 7, "tail_shots": 5, "inner_batch": 3},
        step_cap=4,
    )
    assert isinstance(drawn.query, Examples) and drawn.query.x.shape == (2, 3, 5, 1)
    assert drawn.support.x.shape == (2, 3, 7, 1)
    shared = drawn.support.x[..., :, None, 0] == drawn.query.x[..., None, :, 0]
    assert not shared.any()
