"""Matching networks against a reference of a few lines, in float64."""

import pytest
import torch

from metaopt.algorithms.learners.matching import LOG_SCALE, Matching
from tests import reference
from tests.metaopt.algorithms.embedding_problems import (
    MODELS,
    WAYS,
    check_answers,
    check_gradient,
    problem,
)


def fixed(weights, z_s, y_s, z_q):
    return reference.matching(z_s, y_s, z_q, WAYS, torch.tensor(7.0))


def learned(weights, z_s, y_s, z_q):
    return reference.matching(z_s, y_s, z_q, WAYS, weights[LOG_SCALE].exp())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("outputs", [fixed, learned])
def test_its_meta_gradient_is_that_of_the_loop_over_tasks(kind, outputs):
    given = problem(kind, Matching, scale=7.0, learned=outputs is learned)
    check_gradient(given, outputs)


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("kind", MODELS)
def test_its_answers_are_the_attention_by_class(kind, transductive):
    given = problem(kind, Matching, scale=7.0, learned=True)

    def normalised(weights, z_s, y_s, z_q):
        return learned(weights, z_s, y_s, z_q).log_softmax(-1)

    class Normalised(Matching):
        def answers(self, *arguments, **named):
            return super().answers(*arguments, **named).log_softmax(-1)

    same = given._replace(learner=Normalised.of(given.learner, scale=7.0, learned=True))
    check_answers(same, normalised, transductive)


def test_a_learned_scale_begins_where_it_is_told():
    learner = problem("mlp", Matching, scale=7.0, learned=True).learner
    begun = learner.init(torch.arange(2), torch.float32)[LOG_SCALE]
    assert begun.exp().tolist() == [[pytest.approx(7.0)]] * 2
    assert LOG_SCALE not in problem("mlp", Matching, scale=7.0).learner.shapes


def test_a_sharp_attention_is_finite_in_float32():
    learner, phi, (support, query) = problem("mlp", Matching, scale=1000.0)
    known, asked = (e._replace(x=e.x.float()) for e in (support, query))
    theta = learner.begin(learner.layout.unflatten(phi.float()), known, 3)
    answers = learner.answers(theta, known, asked.x, transductive=True)
    assert answers.isfinite().all()
    assert learner.loss_of(answers, query.y).isfinite().all()


def test_a_class_without_support_examples_is_never_the_answer():
    learner, phi, (support, query) = problem("mlp", Matching, scale=7.0)
    two = support._replace(y=support.y.clamp(max=1))
    theta = learner.begin(learner.layout.unflatten(phi), two, 3)
    answers = learner.answers(theta, two, query.x, transductive=True)
    assert answers.isfinite().all() and (answers.softmax(-1)[..., 2] == 0).all()
