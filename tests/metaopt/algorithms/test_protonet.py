"""Prototypical networks against ten lines of a reference, in float64."""

import pytest
import torch

from metaopt.algorithms.learners.classes import class_means
from metaopt.algorithms.learners.prototypes import Prototypes, square_distances
from tests import reference
from tests.metaopt.algorithms.embedding_problems import (
    MODELS,
    WAYS,
    check_answers,
    check_gradient,
    problem,
)


def outputs(weights, z_s, y_s, z_q):
    return reference.protonet(z_s, y_s, z_q, WAYS)


@pytest.mark.parametrize("kind", MODELS)
def test_its_meta_gradient_is_that_of_the_loop_over_tasks(kind):
    check_gradient(problem(kind, Prototypes), outputs)


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("kind", MODELS)
def test_its_answers_are_those_of_the_loop(kind, transductive):
    check_answers(problem(kind, Prototypes), outputs, transductive)


def test_distances_far_from_zero_lose_no_digits():
    generator = torch.Generator().manual_seed(1)
    x, centres = (torch.randn(n, 8, generator=generator, dtype=torch.float64) for n in (6, 4))
    far = 1000.0
    exact = (x[:, None] - centres).square().sum(-1)
    shifted = square_distances((x + far).float(), (centres + far).float()).double()
    rounded = ((x + far).float().double()[:, None] - (centres + far).float().double()).square()
    assert torch.allclose(shifted, rounded.sum(-1), rtol=1e-5, atol=1e-5)
    assert torch.allclose(shifted, exact, rtol=1e-2, atol=1e-2)


def test_a_class_without_support_examples_is_never_the_answer():
    learner, phi, (support, query) = problem("mlp", Prototypes)
    two = support._replace(y=support.y.clamp(max=1))
    theta = learner.begin(learner.layout.unflatten(phi), two, 3)
    answers = learner.answers(theta, two, query.x, transductive=True)
    assert answers.isfinite().all()
    assert (answers.softmax(-1)[..., 2] == 0).all() and (answers.argmax(-1) < 2).all()
    _, seen = class_means(support.x, two.y, 3)
    assert seen.tolist() == [[[True, True, False]] * 3] * 2
