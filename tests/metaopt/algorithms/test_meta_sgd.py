"""Meta-SGD: gradients by weights and by rates against an explicit loop, in float64."""

import pytest
import torch

from metaopt.algorithms import maml
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.rates import LearnedRates, rate_of
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from tests import reference
from tests.metaopt.algorithms.test_maml import reference_apply

SINUSOID = {"kind": "sinusoid", "k_shot": 4, "q_query": 3}
MLP = {"kind": "mlp", "widths": [6], "activation": "tanh"}


def with_rates(problem):
    """The problem's learner with rates, negative ones among them, in φ (2, P)."""
    learner, phi, episodes = problem
    learner = LearnedRates.of(learner)
    generator = torch.Generator().manual_seed(11)
    more = learner.layout.total - phi.shape[1]
    rates = 0.1 * torch.rand(2, more, generator=generator, dtype=torch.float64) - 0.02
    return learner, torch.cat([phi, rates], dim=1), episodes


@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (1, 5), (0, 3)])
@pytest.mark.parametrize("kind", ["kept", "recomputed"])
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, kind):
    learner, phi, episodes = with_rates(problem)
    gradient, loss = maml.meta_gradient(
        learner,
        phi,
        episodes,
        inner_lr=torch.zeros(2, dtype=torch.float64),
        inner_steps=torch.tensor(steps),
        step_cap=max(steps),
        recompute=kind == "recomputed",
    )
    for lane in range(2):
        parts = learner.layout.unflatten(phi[lane])
        tasks = [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(3)]
        of_weights, of_rates, expected_loss = reference.meta_sgd_gradient(
            reference_apply(learner),
            {name: parts[name] for name in learner.model.shapes},
            {name: parts[rate_of(name)] for name in learner.adapted},
            tasks,
            steps=steps[lane],
        )
        named = of_weights | {rate_of(name): g for name, g in of_rates.items()}
        expected = learner.layout.flatten(named)
        assert torch.allclose(loss[lane], expected_loss, rtol=0, atol=1e-9)
        assert (gradient[lane] - expected).abs().max() < 1e-9 * expected.abs().max()


def test_equal_rates_are_maml(problem):
    plain, phi, episodes = problem
    learner = LearnedRates.of(plain)
    rates = torch.full((2, learner.layout.total - phi.shape[1]), 0.05, dtype=torch.float64)
    numbers = {"inner_steps": torch.tensor([2, 3]), "step_cap": 3}
    inner_lr = torch.full((2,), 0.05, dtype=torch.float64)
    expected, _ = maml.meta_gradient(plain, phi, episodes, inner_lr=inner_lr, **numbers)
    both = torch.cat([phi, rates], dim=1)
    gradient, _ = maml.meta_gradient(learner, both, episodes, inner_lr=inner_lr, **numbers)
    assert torch.allclose(gradient[:, : phi.shape[1]], expected, rtol=1e-12, atol=1e-14)


def test_weights_that_inner_steps_leave_alone_have_no_rate(problem):
    learner: Learner = problem[0]
    of_rates = set(LearnedRates.of(learner).shapes) - set(learner.shapes)
    assert of_rates == {rate_of(n) for n in learner.shapes if n not in learner.model.not_adapted}


def test_a_trial_begins_with_its_rate_or_with_one_that_its_seed_draws():
    signature = signature_of(tasks=SINUSOID, model=MLP, algorithm="meta_sgd", params={})
    lanes = Population(signature)
    for seed in range(40):
        lanes.admit(f"drawn{seed}", {"initial_rate": 0.0}, seed=seed, horizon=2)
    lanes.admit("given", {"initial_rate": 0.3}, seed=3, horizon=2)
    drawn = []
    for seed in range(40):
        weights = lanes.weights(f"drawn{seed}")
        values = torch.cat([p.flatten() for n, p in weights.items() if n.startswith("rate/")])
        assert len(values.unique()) == 1
        drawn.append(values[0].item())
    assert 0.005 <= min(drawn) < 0.02 and 0.085 < max(drawn) <= 0.1 and len(set(drawn)) == 40
    given, same_seed = lanes.weights("given"), lanes.weights("drawn3")
    assert torch.equal(given["w0"], same_seed["w0"])
    assert (given["rate/w1"] == torch.tensor(0.3)).all()
