"""BOIL: inner steps of the body alone."""

import pytest
import torch

from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.parts import BodyAlone
from metaopt.errors import InvalidModel
from metaopt.models.head import head_of
from metaopt.models.mlp import Mlp
from tests.metaopt.algorithms import inner_loops


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (1, 5)])
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, order):
    learner, phi, episodes = problem
    still = {*head_of(learner.model), *learner.model.not_adapted}
    told, loss = inner_loops.of_the_loop(learner, phi, episodes, steps, order == "first", still)
    found = inner_loops.meta_gradient(
        "boil", learner, phi, episodes, step_cap=max(steps), order=order,
        numbers=inner_loops.numbers(steps),
    )  # fmt: skip
    assert torch.allclose(found.loss, loss, rtol=0, atol=1e-9)
    assert (found.gradient - told).abs().max() < 1e-9 * told.abs().max()


def test_a_model_without_a_body_is_refused():
    with pytest.raises(InvalidModel, match="would move nothing of this model: its head is w0, b0"):
        BodyAlone.of(Learner(Mlp((3,), (), 2), classification=False)).checked()
