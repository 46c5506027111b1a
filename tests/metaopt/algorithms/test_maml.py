"""Meta-gradients against an explicit per-task autograd loop, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap
from torch.utils.flop_counter import FlopCounterMode

from metaopt.algorithms import maml
from metaopt.algorithms.inner import for_tasks
from metaopt.algorithms.learner import Learner
from metaopt.models.conv4 import Conv4
from metaopt.tasks.base import Episodes, Examples
from tests import reference


def reference_apply(learner):
    if isinstance(learner.model, Conv4):
        return lambda w, x: reference.conv4(w, x, learner.model.pooling)
    return lambda w, x: reference.mlp(w, x, learner.model.activation)


def one_by_one(learner, phi, episodes, inner_lr, steps, first_order):
    """Return gradients (H, P) and losses (H,) of the loop, lane by lane and task by task."""
    gradients, losses = [], []
    for lane in range(phi.shape[0]):
        weights = learner.layout.unflatten(phi[lane])
        tasks = [
            tuple((e.x[lane, t], e.y[lane, t]) for e in episodes)
            for t in range(episodes.query.y.shape[1])
        ]
        gradient, loss = reference.maml_gradient(
            reference_apply(learner),
            weights,
            tasks,
            inner_lr=inner_lr[lane],
            steps=int(steps[lane]),
            first_order=first_order,
            frozen=learner.model.not_adapted,
        )
        gradients.append(learner.layout.flatten(gradient))
        losses.append(loss)
    return torch.stack(gradients), torch.stack(losses)


@pytest.mark.parametrize("kind", ["second", "recomputed", "first"])
@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (5, 5), (1, 5), (0, 3)])
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, kind):
    first_order = kind == "first"
    learner, phi, episodes = problem
    inner_lr = torch.tensor([0.05, 0.1], dtype=torch.float64)
    expected, expected_loss = one_by_one(learner, phi, episodes, inner_lr, steps, first_order)
    gradient, loss = maml.meta_gradient(
        learner,
        phi,
        episodes,
        inner_lr=inner_lr,
        inner_steps=torch.tensor(steps),
        step_cap=max(steps),
        first_order=first_order,
        recompute=kind == "recomputed",
    )
    scale = expected.abs().max()
    assert torch.allclose(loss, expected_loss, rtol=0, atol=1e-9)
    assert (gradient - expected).abs().max() / scale < 1e-9


def test_first_order_is_not_second_order(problem):
    learner, phi, episodes = problem
    numbers = {
        "inner_lr": torch.full((2,), 0.1, dtype=torch.float64),
        "inner_steps": torch.tensor([3, 3]),
        "step_cap": 3,
    }
    second, _ = maml.meta_gradient(learner, phi, episodes, **numbers)
    first, _ = maml.meta_gradient(learner, phi, episodes, first_order=True, **numbers)
    assert (second - first).abs().max() / second.abs().max() > 1e-3


def test_second_order_agrees_with_finite_differences():
    """On a smooth model: ReLU kinks put finite differences off."""
    from metaopt.models.mlp import Mlp

    generator = torch.Generator().manual_seed(5)
    learner = Learner(Mlp((1,), (6,), 1, "tanh"), classification=False)
    x, y = torch.randn(2, 1, 4, 5, 1, generator=generator, dtype=torch.float64)
    episodes = Episodes(Examples(x, y), Examples(x + 0.3, y - 0.2))
    phi = torch.randn(1, learner.layout.total, generator=generator, dtype=torch.float64)
    numbers = {
        "inner_lr": torch.tensor([0.1], dtype=torch.float64),
        "inner_steps": torch.tensor([3]),
        "step_cap": 3,
    }
    gradient, _ = maml.meta_gradient(learner, phi, episodes, **numbers)
    differences = torch.zeros_like(phi)
    for i in range(phi.shape[1]):
        step = torch.zeros_like(phi)
        step[0, i] = 1e-5
        up = maml.meta_gradient(learner, phi + step, episodes, **numbers)[1]
        down = maml.meta_gradient(learner, phi - step, episodes, **numbers)[1]
        differences[0, i] = (up - down) / 2e-5
    assert torch.allclose(gradient, differences, rtol=1e-6, atol=1e-8)


def test_the_order_of_tasks_does_not_matter(problem):
    learner, phi, episodes = problem
    numbers = {
        "inner_lr": torch.full((2,), 0.1, dtype=torch.float64),
        "inner_steps": torch.tensor([2, 3]),
        "step_cap": 3,
    }
    turned = Episodes(*(Examples(e.x.flip(1), e.y.flip(1)) for e in episodes))
    gradient, _ = maml.meta_gradient(learner, phi, episodes, **numbers)
    again, _ = maml.meta_gradient(learner, phi, turned, **numbers)
    assert torch.allclose(gradient, again, rtol=1e-10, atol=1e-12)


def test_the_obvious_vmap_over_fused_batch_norm_is_caught(problem):
    """The comparison has teeth: `grad(mean ∘ vmap(task))` with F.batch_norm fails it.

    Its batching rule drops second derivatives where γ is adapted (pytorch/functorch#534).  If
    this test fails one day, torch has been mended.
    """
    learner, phi, episodes = problem
    if not isinstance(learner.model, Conv4) or learner.model.not_adapted:
        pytest.skip("the rule is wrong only where γ of a fused norm is adapted")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, value in learner.layout.unflatten(phi[0]).items():
                self.register_parameter(name, torch.nn.Parameter(value.clone()))

        def forward(self, x):
            stride = 2 if learner.model.pooling == "stride" else 1
            for i in range(4):
                x = F.conv2d(x, getattr(self, f"conv{i}"), stride=stride, padding=1)
                gamma, beta = getattr(self, f"gamma{i}"), getattr(self, f"beta{i}")
                x = F.relu(F.batch_norm(x, None, None, gamma, beta, True))
                x = F.max_pool2d(x, 2) if learner.model.pooling == "max" else x
            return x.flatten(1) @ self.w + self.b

    net = Net()

    def task_loss(params, x_s, y_s, x_q, y_q):
        inner = grad(lambda p: F.cross_entropy(functional_call(net, p, (x_s,)), y_s))(params)
        fast = {k: p - 0.1 * inner[k] for k, p in params.items()}
        return F.cross_entropy(functional_call(net, fast, (x_q,)), y_q)

    def mean_loss(params):
        tasks = [t[0] for e in episodes for t in e]
        return vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(params, *tasks).mean()

    wrong = learner.layout.flatten(grad(mean_loss)(dict(net.named_parameters())))
    inner_lr = torch.tensor([0.1, 0.1], dtype=torch.float64)
    expected, _ = one_by_one(learner, phi, episodes, inner_lr, (1, 1), False)
    assert (wrong - expected[0]).abs().max() / expected[0].abs().max() > 1e-5


def test_first_order_keeps_no_graph_of_the_inner_loop(problem):
    learner, phi, episodes = problem
    adapted = maml.adapt(
        learner,
        for_tasks(learner.layout.unflatten(phi), 3),
        episodes.support,
        inner_lr=torch.tensor(0.1, dtype=torch.float64),
        inner_steps=torch.tensor(3),
        step_cap=3,
        first_order=True,
    )
    assert all(p.grad_fn is None for p in adapted.values())


def test_recomputing_keeps_the_weights_of_each_step_and_not_its_graph(problem):
    learner, phi, episodes = problem
    kept = {}
    for recompute in (False, True):
        storages = {}

        def keep(tensor, storages=storages):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            maml.adapt(
                learner,
                for_tasks(learner.layout.unflatten(phi.requires_grad_()), 3),
                episodes.support,
                inner_lr=torch.tensor(0.1, dtype=torch.float64),
                inner_steps=torch.tensor(5),
                step_cap=5,
                recompute=recompute,
            )
        kept[recompute] = sum(storages.values())
    assert kept[True] < 0.8 * kept[False]


def test_first_order_costs_much_less_arithmetic(problem):
    learner, phi, episodes = problem
    operations = {}
    for first_order in (True, False):
        with FlopCounterMode(display=False) as counter:
            maml.meta_gradient(
                learner,
                phi,
                episodes,
                inner_lr=torch.full((2,), 0.1, dtype=torch.float64),
                inner_steps=torch.tensor([5, 5]),
                step_cap=5,
                first_order=first_order,
            )
        operations[first_order] = counter.get_total_flops()
    assert 0 < operations[True] < 0.6 * operations[False]
