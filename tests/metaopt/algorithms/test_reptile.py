"""Reptile against a hand-written loop, and the Taylor coefficients of its paper."""

import pytest
import torch

from metaopt.algorithms import maml, reptile
from metaopt.algorithms.inner import InnerState, for_tasks
from metaopt.algorithms.learner import Learner
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Examples
from tests import reference
from tests.metaopt.algorithms.test_maml import reference_apply


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("tasks", [1, 3], ids=["serial", "batched"])
def test_outer_gradient_equals_the_hand_written_loop(problem, tasks, optimizer):
    learner, phi, episodes = problem
    if learner.model.not_adapted:
        pytest.skip("the hand-written loop adapts every weight")
    support = Examples(episodes.support.x[:, :tasks], episodes.support.y[:, :tasks])
    size, steps = support.y.shape[2], (2, 4)
    keys = torch.arange(2 * tasks).reshape(2, tasks)
    batches = reptile.mini_batches(keys, size, 3, max(steps))
    memory = torch.rand(2, phi.shape[1], dtype=torch.float64) * 0.1
    steps_taken = torch.full((2, 1), 7.0, dtype=torch.float64)
    state = InnerState(learner.layout.unflatten(memory), steps_taken)
    inner_lr = torch.tensor([0.05, 0.02], dtype=torch.float64)
    gradient, _, after = reptile.meta_gradient(
        learner,
        phi,
        support,
        batches,
        inner_lr=inner_lr,
        inner_steps=torch.tensor(steps),
        step_cap=max(steps),
        state=state if optimizer == "adam" else None,
    )
    for lane in range(2):
        todo = [
            [
                (support.x[lane, t][i], support.y[lane, t][i])
                for i in batches[lane, t, : steps[lane]]
            ]
            for t in range(tasks)
        ]
        mean, (v, count) = reference.reptile_average(
            reference_apply(learner),
            learner.layout.unflatten(phi[lane]),
            todo,
            inner_lr=inner_lr[lane],
            optimizer=optimizer,
            memory=(learner.layout.unflatten(memory[lane]), 7),
        )
        expected = phi[lane] - learner.layout.flatten(mean)
        assert torch.allclose(gradient[lane], expected, rtol=1e-9, atol=1e-12)
        if optimizer == "adam":
            remembered = learner.layout.flatten({name: p[lane] for name, p in after.v.items()})
            expected = learner.layout.flatten(v)
            assert torch.allclose(remembered, expected, rtol=1e-9, atol=1e-14)
            assert after.steps[lane].item() == count


def test_mini_batches_cycle_through_all_examples_without_replacement():
    batches = reptile.mini_batches(torch.arange(50), 10, 4, 5)
    assert batches.shape == (50, 5, 4)
    cycles = batches.flatten(1).unflatten(1, (2, 10)).sort(-1).values
    assert (cycles == torch.arange(10)).all()
    assert len({tuple(row) for row in batches.flatten(1).tolist()}) == 50


def test_mini_batches_of_zero_take_all_examples():
    batches = reptile.mini_batches(torch.arange(2), 6, 0, 3)
    assert (batches.sort(-1).values == torch.arange(6)).all()


@pytest.mark.parametrize("k", [2, 3, 4])
def test_taylor_coefficients_of_the_reptile_paper(k):
    """E[g] = a·AvgGrad + b·α·AvgGradInner on a quadratic, equations 33 to 41.

    MAML (1, −2(k−1)), first-order MAML (1, −(k−1)), Reptile / α (k, −½k(k−1)), where gradient
    step i uses mini-batch i and the meta-gradient the last one.  A linear model under squared
    error is a quadratic, so with AvgGradInner = E[H_1 g_2] over two batches the coefficients
    are exact once the expectation runs over all orders of the mini-batches.
    """
    from itertools import permutations

    generator = torch.Generator().manual_seed(k)
    learner = Learner(Mlp((3,), (), 1), classification=False)
    x = torch.randn(k, 4, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(k, 4, 1, generator=generator, dtype=torch.float64)
    phi = torch.randn(1, learner.layout.total, generator=generator, dtype=torch.float64)
    orders = list(permutations(range(k)))

    def weights_loss(theta, examples):
        return learner.loss(learner.layout.unflatten(theta), examples).sum()

    def batch_gradient(theta, i):
        theta = theta.detach().requires_grad_()
        loss = weights_loss(theta, Examples(x[i][None], y[i][None]))
        return torch.autograd.grad(loss, theta)[0]

    def hessian(i):
        def f(theta):
            return weights_loss(theta[None], Examples(x[i][None], y[i][None]))

        return torch.autograd.functional.hessian(f, phi[0])

    gradients = [batch_gradient(phi, i)[0] for i in range(k)]
    average = torch.stack(gradients).mean(0)
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    inner = torch.stack([hessian(i) @ gradients[j] for i, j in pairs]).mean(0)

    def reptile_gradient(alpha):
        """Return the mean of (φ − φ̃) / α over all orders, from our inner loop."""
        index = torch.tensor(orders)[None, :, :, None] * 4 + torch.arange(4)
        support = Examples(
            x.flatten(0, 1).expand(1, len(orders), -1, -1),
            y.flatten(0, 1).expand(1, len(orders), -1, -1),
        )
        g, _, _ = reptile.meta_gradient(
            learner, phi, support, index,
            inner_lr=torch.tensor([alpha], dtype=torch.float64),
            inner_steps=torch.tensor([k]), step_cap=k,
        )  # fmt: skip
        return g[0] / alpha

    def maml_gradient(alpha, first_order):
        """Return the mean over all orders of the meta-gradient through k − 1 inner steps."""
        total = torch.zeros_like(average)
        for order in orders:
            start = phi.detach().requires_grad_()
            theta = learner.layout.unflatten(start)
            for i in order[:-1]:
                theta = maml.adapt(
                    learner, theta, Examples(x[i][None], y[i][None]),
                    inner_lr=torch.tensor(alpha, dtype=torch.float64),
                    inner_steps=torch.tensor(1), step_cap=1, first_order=first_order,
                )  # fmt: skip
            last = Examples(x[order[-1]][None], y[order[-1]][None])
            if first_order:
                start = learner.layout.flatten(theta).requires_grad_()
                theta = learner.layout.unflatten(start)
            total += torch.autograd.grad(learner.loss(theta, last).sum(), start)[0][0]
        return total / len(orders)

    h = 1e-4
    for measured, a, b in [
        (lambda alpha: maml_gradient(alpha, False), 1, -2 * (k - 1)),
        (lambda alpha: maml_gradient(alpha, True), 1, -(k - 1)),
        (reptile_gradient, k, -k * (k - 1) / 2),
    ]:
        # The series in α is a polynomial: Richardson's rule leaves an error of order h².
        at_h, at_2h = measured(h), measured(2 * h)
        constant = 2 * at_h - at_2h
        linear = (at_2h - at_h) / h
        assert torch.allclose(constant, a * average, rtol=1e-5, atol=1e-6)
        assert torch.allclose(linear, b * inner, rtol=1e-2, atol=2e-3 * inner.abs().max())


def test_one_inner_step_on_all_examples_is_joint_training(problem):
    learner, phi, episodes = problem
    if learner.model.not_adapted:
        pytest.skip("joint training moves every weight")
    batches = reptile.mini_batches(torch.zeros(2, 3, dtype=torch.int64), 5, 0, 1)
    batches = batches.clamp(max=episodes.support.y.shape[2] - 1)
    gradient, _, _ = reptile.meta_gradient(
        learner, phi, episodes.support, batches,
        inner_lr=torch.full((2,), 0.1, dtype=torch.float64),
        inner_steps=torch.tensor([1, 1]), step_cap=1,
    )  # fmt: skip
    picked = reptile.take(episodes.support, batches[:, :, 0])
    joint = phi.detach().requires_grad_()
    theta = for_tasks(learner.layout.unflatten(joint), 3)
    loss = learner.loss(theta, picked).mean(1).sum()
    expected = 0.1 * torch.autograd.grad(loss, joint)[0]
    assert torch.allclose(gradient, expected, rtol=1e-9, atol=1e-12)
