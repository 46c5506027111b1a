"""iMAML: its gradient against dense solves and against the unrolled inner problem, in float64."""

import pytest
import torch

from metaopt.algorithms import imaml
from metaopt.algorithms.learner import Learner
from metaopt.models.mlp import Mlp
from metaopt.population.fresh import fresh_lane
from metaopt.population.lanes import stack
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.step import draw, meta_iteration
from metaopt.tasks.base import Episodes, Examples
from tests import reference
from tests.metaopt.algorithms.test_maml import reference_apply

RATES, STRENGTHS = [0.01, 0.02], [20.0, 30.0]


def doubles(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def meta_gradient(learner, phi, episodes, steps, cg_steps, rates=RATES, strengths=STRENGTHS):
    return imaml.meta_gradient(
        imaml.Anchored.of(learner),
        phi,
        episodes,
        inner_lr=doubles(rates),
        inner_steps=torch.tensor(steps),
        proximal=doubles(strengths),
        step_cap=max(steps),
        cg_steps=cg_steps,
    )


def tasks_of(episodes, lane):
    count = episodes.query.y.shape[1]
    return [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(count)]


@pytest.mark.parametrize(
    ("problem", "steps"),
    [("mlp", (1, 5)), ("mlp", (3, 3)), ("conv4", (3, 5)), ("conv4-fixed-norm", (1, 2))],
    indirect=["problem"],
)
def test_meta_gradient_is_that_of_a_dense_solve(problem, steps):
    learner, phi, episodes = problem
    gradient, loss = meta_gradient(learner, phi, episodes, steps, cg_steps=40)
    for lane in range(2):
        expected, expected_loss = reference.imaml_gradient(
            reference_apply(learner),
            learner.layout.unflatten(phi[lane]),
            tasks_of(episodes, lane),
            inner_lr=RATES[lane],
            steps=steps[lane],
            proximal=STRENGTHS[lane],
            frozen=learner.model.not_adapted,
        )
        flat = learner.layout.flatten(expected)
        assert torch.allclose(loss[lane], expected_loss, rtol=0, atol=1e-9)
        assert (gradient[lane] - flat).abs().max() < 1e-9 * flat.abs().max()


def test_at_a_solved_inner_problem_it_is_the_unrolled_gradient():
    """On a smooth model, whose steps reach the solution to the last bits."""
    generator = torch.Generator().manual_seed(5)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    learner = Learner(Mlp((1,), (6,), 1, "tanh"), classification=False)
    x, y = normal(2, 3, 4, 1), normal(2, 3, 4, 1)
    episodes = Episodes(Examples(x, y), Examples(x + 0.3, y - 0.2))
    phi = 0.7 * normal(2, learner.layout.total)
    rates, strengths = [0.09, 0.06], [8.0, 12.0]
    gradient, _ = meta_gradient(learner, phi, episodes, (70, 70), 30, rates, strengths)
    early, _ = meta_gradient(learner, phi, episodes, (2, 2), 30, rates, strengths)
    for lane in range(2):
        unrolled = reference.unrolled_proximal_gradient(
            lambda w, x: reference.mlp(w, x, "tanh"),
            learner.layout.unflatten(phi[lane]),
            tasks_of(episodes, lane),
            inner_lr=rates[lane],
            steps=70,
            proximal=strengths[lane],
        )
        expected = learner.layout.flatten(unrolled)
        scale = expected.abs().max()
        assert (gradient[lane] - expected).abs().max() < 1e-9 * scale
        assert (early[lane] - expected).abs().max() > 1e-6 * scale  # the comparison has teeth


def test_a_strong_pull_leaves_first_order_maml_of_no_step(problem):
    """(I + H/λ)⁻¹ is the identity for large λ, and θ stays φ."""
    learner, phi, episodes = problem
    gradient, _ = meta_gradient(learner, phi, episodes, (1, 1), 3, [1e-12] * 2, [1e12] * 2)
    for lane in range(2):
        expected, _ = reference.maml_gradient(
            reference_apply(learner),
            learner.layout.unflatten(phi[lane]),
            tasks_of(episodes, lane),
            inner_lr=0.0,
            steps=0,
            first_order=True,
        )
        assert torch.allclose(gradient[lane], learner.layout.flatten(expected), rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 6, 40])
def test_conjugate_gradients_solve_and_stay_where_they_arrived(steps):
    generator = torch.Generator().manual_seed(2)
    root = torch.randn(2, 3, 6, 6, generator=generator, dtype=torch.float64)
    matrix = root @ root.mT + 0.5 * torch.eye(6, dtype=torch.float64)
    b = torch.randn(2, 3, 6, generator=generator, dtype=torch.float64)
    b[0, 1] = 0.0  # nothing to solve there
    x = imaml.conjugate_gradients(lambda v: (matrix @ v[..., None])[..., 0], b, steps)
    exact = torch.linalg.solve(matrix, b)
    assert x.isfinite().all() and (x[0, 1] == 0).all()
    if steps >= 6:
        assert torch.allclose(x, exact, rtol=1e-9, atol=1e-10)
    if steps == 1:
        length = (b * b).sum(-1) / (b * (matrix @ b[..., None])[..., 0]).sum(-1)
        assert torch.allclose(x, (length[..., None] * b).nan_to_num())


def stopped_by_hand(matrix, b, steps):
    """Conjugate gradients for one b, up to the first direction that hardly curves upwards."""
    x, residual, direction = torch.zeros_like(b), b, b
    for step in range(steps):
        curvature = direction @ matrix @ direction
        if curvature <= 0.1 * direction @ direction:
            return x if step else b
        length = residual @ residual / curvature
        x, before = x + length * direction, residual
        residual = residual - length * matrix @ direction
        direction = residual + (residual @ residual) / (before @ before) * direction
    return x


def test_conjugate_gradients_stop_where_nothing_curves_upwards():
    generator = torch.Generator().manual_seed(4)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    curves = doubles([3.0, 2.0, 1.0, 0.5, 0.02, -0.4])
    matrix = basis @ torch.diag(curves) @ basis.T
    b = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    b[0], b[1] = basis[:, 5], basis[:, 4]  # hopeless from the first step
    b[2] = 2 * basis[:, 0] - basis[:, 2]  # and not at all
    for steps in (1, 3, 5, 12):
        x = imaml.conjugate_gradients(lambda v: v @ matrix, b, steps)
        for ours, right in zip(x, b, strict=True):
            assert torch.allclose(ours, stopped_by_hand(matrix, right, steps), rtol=1e-9)
    assert torch.equal(x[:2], b[:2])
    assert torch.allclose(x[2], 2 * basis[:, 0] / 3 - basis[:, 2])


def test_where_tasks_curve_down_as_much_as_they_are_pulled_it_is_no_noise():
    """At λ = 2 a network of the paper's size has, untrained, directions that I + H/λ bends down."""
    found = []
    for dtype in ("float32", "float64"):
        signature = signature_of(
            tasks={"kind": "sinusoid", "k_shot": 10, "q_query": 10}, model={"kind": "mlp"},
            algorithm="imaml", params={"meta_batch": 25, "cg_steps": 8}, step_cap=16, test_cap=1,
            dtype=dtype,
        )  # fmt: skip
        program = Population(signature).program
        values = program.kinds.algorithm.complete({**signature.structure, "proximal": 2.0})
        made = [fresh_lane(program, values, seed=s, horizon=9, device="cpu") for s in range(4)]
        lanes = stack(made)
        lanes = lanes.replace(phi=lanes.phi.float().to(lanes.phi.dtype))
        drawn = draw(program, lanes, 1).at(0)
        found.append(meta_iteration(program, lanes, drawn).m.double())
    single, double = found
    assert ((single - double).norm(dim=-1) < 1e-3 * double.norm(dim=-1)).all()


def test_an_inner_step_goes_down_the_proximal_problem(problem):
    plain, phi, episodes = problem
    learner = imaml.Anchored.of(plain)
    theta = learner.begin(learner.layout.unflatten(phi), episodes.support, 3)
    numbers = {"inner_lr": doubles([[0.01], [0.02]]), "proximal": doubles([[20.0], [30.0]])}
    for step in range(2):
        theta, _ = imaml.proximal_step(
            learner, theta, episodes.support, numbers=numbers, state=None, step=step
        )
    lane, task = 1, 2
    weights = plain.layout.unflatten(phi[lane])
    support, apply = tasks_of(episodes, lane)[task][0], reference_apply(plain)
    fast = {k: v.clone() for k, v in weights.items()}
    for _ in range(2):
        leaves = {k: v.detach().requires_grad_() for k, v in fast.items()}
        inner = reference.loss(apply(leaves, support[0]), support[1])
        grads = torch.autograd.grad(inner, list(leaves.values()))
        for (k, v), g in zip(list(fast.items()), grads, strict=True):
            if k not in plain.model.not_adapted:
                fast[k] = v - 0.02 * (g + 30.0 * (v - weights[k]))
    for name, value in fast.items():
        assert torch.allclose(theta[name][lane, task], value, rtol=1e-9, atol=1e-12)
