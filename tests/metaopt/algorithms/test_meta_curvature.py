"""Meta-curvature: gradients by weights and by matrices against an explicit loop, in float64."""

import pytest
import torch

from metaopt.algorithms import maml
from metaopt.algorithms.learners.curvature import Curved
from tests import reference
from tests.metaopt.algorithms.test_maml import reference_apply


def curved_gradient(matrices, gradient):
    """Return the transformed gradient by sums over indices, as the paper writes them."""
    if gradient.dim() == 1:
        return matrices[0] * gradient
    if gradient.dim() == 2:
        return torch.einsum("ai,bj,ij->ab", *matrices, gradient)
    taps = gradient.flatten(2)
    return torch.einsum("ai,bj,cf,ijf->abc", *matrices, taps).reshape(gradient.shape)


def by_the_loop(learner, phi, tasks, inner_lr, steps):
    """Return the gradient (P,) by all of φ."""
    parts = {k: v.detach().requires_grad_() for k, v in learner.layout.unflatten(phi).items()}
    apply, total = reference_apply(learner), 0.0
    names = [n for n in learner.model.shapes if n not in learner.model.not_adapted]
    for (x_s, y_s), (x_q, y_q) in tasks:
        fast = {n: parts[n] for n in learner.model.shapes}
        for _ in range(steps):
            inner = reference.loss(apply(fast, x_s), y_s)
            grads = torch.autograd.grad(inner, [fast[n] for n in names], create_graph=True)
            for name, g in zip(names, grads, strict=True):
                own = [parts[k] for k in parts if k.startswith("curv") and k.endswith(f"/{name}")]
                fast[name] = fast[name] - inner_lr * curved_gradient(own, g)
        total = total + reference.loss(apply(fast, x_q), y_q) / len(tasks)
    grads = torch.autograd.grad(total, list(parts.values()))
    return learner.layout.flatten(dict(zip(parts, grads, strict=True)))


@pytest.mark.parametrize(
    ("problem", "steps"),
    [("mlp", (1, 5)), ("mlp", (3, 3)), ("conv4", (1, 3)), ("conv4-fixed-norm", (2, 2))],
    indirect=["problem"],
)
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps):
    plain, phi, episodes = problem
    learner = Curved.of(plain)
    generator = torch.Generator().manual_seed(11)
    start = learner.layout.flatten(learner.init(torch.arange(2), torch.float64))
    noise = torch.randn(start.shape, generator=generator, dtype=torch.float64)
    phi = torch.cat([phi, (start + 0.1 * noise)[:, phi.shape[1] :]], dim=1)
    rates = [0.05, 0.02]
    gradient, _ = maml.meta_gradient(
        learner,
        phi,
        episodes,
        inner_lr=torch.tensor(rates, dtype=torch.float64),
        inner_steps=torch.tensor(steps),
        step_cap=max(steps),
    )
    for lane in range(2):
        tasks = [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(3)]
        expected = by_the_loop(learner, phi[lane], tasks, rates[lane], steps[lane])
        assert (gradient[lane] - expected).abs().max() < 1e-9 * expected.abs().max()


def test_identities_are_maml(problem):
    plain, phi, episodes = problem
    learner = Curved.of(plain)
    start = learner.layout.flatten(learner.init(torch.arange(2), torch.float64))
    both = torch.cat([phi, start[:, phi.shape[1] :]], dim=1)
    numbers = {
        "inner_lr": torch.tensor([0.05, 0.1], dtype=torch.float64),
        "inner_steps": torch.tensor([1, 2]),
        "step_cap": 2,
    }
    expected, _ = maml.meta_gradient(plain, phi, episodes, **numbers)
    gradient, _ = maml.meta_gradient(learner, both, episodes, **numbers)
    assert torch.allclose(gradient[:, : phi.shape[1]], expected, rtol=1e-9, atol=1e-12)
