"""bfloat16 is an option; this is what it does to numbers."""

import pytest
import torch

from metaopt.algorithms import maml
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import evaluate
from metaopt.population.train import train

SINUSOID = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}


def test_a_meta_gradient_in_bfloat16_is_off_by_percents(problem):
    learner, phi, episodes = problem
    numbers = {
        "inner_lr": torch.tensor([0.05, 0.1], dtype=torch.float64),
        "inner_steps": torch.tensor([1, 2]),
        "step_cap": 2,
    }
    exact, loss = maml.meta_gradient(learner, phi, episodes, **numbers)
    low = Learner(learner.model, learner.classification, torch.bfloat16)
    rounded, rounded_loss = maml.meta_gradient(low, phi, episodes, **numbers)
    assert rounded.dtype == exact.dtype
    error = (rounded - exact).norm() / exact.norm()
    assert 1e-4 < error < 0.3
    assert torch.allclose(loss, rounded_loss, rtol=0.05)


@pytest.mark.night
def test_training_in_bfloat16_learns_as_well():
    scores = {}
    for precision in ("float32", "bfloat16"):
        model = {"kind": "mlp", "widths": [40, 40], "precision": precision}
        params = [{"inner_lr": 0.01, "outer_lr": 0.005}] * 4
        trained = train("maml", tasks=SINUSOID, model=model, params=params, meta_iterations=400)
        bank = BankSpec("validation", seed=1, tasks=100, k_shot=10, q_query=20, steps=1)
        curves = [lane.curve for lane in evaluate(trained, bank)]
        scores[precision] = sum(curve[1] for curve in curves) / len(curves)
        assert scores[precision] < 0.7 * sum(curve[0] for curve in curves) / len(curves)
    assert scores["bfloat16"] == pytest.approx(scores["float32"], rel=0.3)


def test_an_unknown_precision_is_refused():
    model = {"kind": "mlp", "precision": "float8"}
    with pytest.raises(InvalidModel, match="float8"):
        train("maml", tasks=SINUSOID, model=model, params={}, meta_iterations=1)
