"""Ridge regression on embeddings against the normal equations, in float64."""

import pytest
import torch
import torch.nn.functional as F

from metaopt.algorithms.learners.ridge import BIAS, LOG_RIDGE, SCALE, Ridge, ridge_predictions
from tests import reference
from tests.metaopt.algorithms.embedding_problems import (
    MODELS,
    WAYS,
    check_answers,
    check_gradient,
    problem,
)

SIZES = {"fewer examples than features": 9, "more examples than features": 3}


def outputs(weights, z_s, y_s, z_q):
    y = F.one_hot(y_s, WAYS).double() if y_s.dtype == torch.int64 else y_s
    predicted = reference.ridge(z_s, y, z_q, weights[LOG_RIDGE].exp())
    return weights[SCALE] * predicted + weights[BIAS]


@pytest.mark.parametrize("classification", [True, False], ids=["classes", "numbers"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", MODELS)
def test_its_meta_gradient_is_that_of_the_normal_equations(kind, size, classification):
    given = problem(
        kind, Ridge, embedding=SIZES[size], classification=classification, ridge=0.3, scale=4.0
    )
    check_gradient(given, outputs)


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", MODELS)
def test_its_answers_are_those_of_the_normal_equations(kind, size, transductive):
    given = problem(kind, Ridge, embedding=SIZES[size], ridge=0.3, scale=4.0)
    check_answers(given, outputs, transductive)


@pytest.mark.parametrize("examples", [2, 5, 6, 7, 40])
@pytest.mark.parametrize("penalty", [1e-6, 1.0, 100.0])
def test_both_systems_give_the_weights_of_the_normal_equations(examples, penalty):
    generator = torch.Generator().manual_seed(2)
    x, asked = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (examples, 4))
    y = torch.randn(examples, 3, generator=generator, dtype=torch.float64)
    square = x.T @ x + penalty * torch.eye(6, dtype=torch.float64)
    expected = asked @ torch.linalg.solve(square, x.T @ y)
    found = ridge_predictions(x[None], y, asked[None], torch.tensor([[penalty]]).double())[0]
    # Without the penalty the system of few examples has many solutions: its condition is 1e6.
    assert torch.allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_a_system_that_cannot_be_solved_is_a_task_that_diverged():
    x = torch.full((1, 3, 4), 1e20)
    answers = ridge_predictions(x, torch.ones(1, 3, 1), x, torch.tensor([[1.0]]))
    assert answers.isnan().all()


def test_its_scalars_begin_where_they_are_told():
    learner = problem("mlp", Ridge, ridge=0.3, scale=4.0).learner
    begun = learner.init(torch.arange(2), torch.float64)
    assert begun[LOG_RIDGE].exp().tolist() == [[pytest.approx(0.3)]] * 2
    assert (begun[SCALE] == 4.0).all() and (begun[BIAS] == 0.0).all()
