"""ANIL: inner steps of the head alone, the derivative through them kept."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from metaopt.algorithms.inner_step import gradient_step
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.parts import FEATURES, HeadAlone
from metaopt.errors import InvalidModel
from metaopt.evaluation.curve import Adaptation, adapt
from metaopt.models.head import head_of
from metaopt.models.lift import lift
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Examples
from tests.fakes.modules import MAPPED
from tests.metaopt.algorithms import inner_loops


@pytest.mark.parametrize("kind", ["second", "recomputed", "first"])
@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (5, 5), (1, 5), (0, 3)])
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, kind):
    learner, phi, episodes = problem
    body = set(learner.shapes) - set(head_of(learner.model))
    told, loss = inner_loops.of_the_loop(learner, phi, episodes, steps, kind == "first", body)
    found = inner_loops.meta_gradient(
        "anil", learner, phi, episodes, step_cap=max(steps), numbers=inner_loops.numbers(steps),
        order="first" if kind == "first" else "second",
        inner_graph="recompute" if kind == "recomputed" else "keep",
    )  # fmt: skip
    assert torch.allclose(found.loss, loss, rtol=0, atol=1e-9)
    assert (found.gradient - told).abs().max() < 1e-9 * told.abs().max()


def test_the_derivative_goes_through_the_adaptation_of_the_head(problem):
    learner, phi, episodes = problem
    given = {"step_cap": 3, "numbers": inner_loops.numbers((3, 3))}
    second = inner_loops.meta_gradient("anil", learner, phi, episodes, **given)
    first = inner_loops.meta_gradient("anil", learner, phi, episodes, **given, order="first")
    assert (second.gradient - first.gradient).abs().max() > 1e-3 * second.gradient.abs().max()


@pytest.mark.parametrize("order", ["second", "first"])
def test_it_costs_less_than_maml(problem, order):
    learner, phi, episodes = problem
    operations = {}
    for algorithm in ("anil", "maml"):
        with FlopCounterMode(display=False) as counter:
            inner_loops.meta_gradient(
                algorithm,
                learner,
                phi,
                episodes,
                step_cap=5,
                numbers=inner_loops.numbers((5, 5)),
                order=order,
            )
        operations[algorithm] = counter.get_total_flops()
    assert 0 < operations["anil"] < (0.4 if order == "second" else 0.5) * operations["maml"]


def test_a_model_without_features_is_adapted_all_the_same(problem):
    learner, phi, episodes = problem
    with_features = inner_loops.meta_gradient(
        "anil", learner, phi, episodes, step_cap=3, numbers=inner_loops.numbers((1, 3))
    )

    class Plain:
        """The same model, which cannot compute its head apart."""

        head = head_of(learner.model)
        input_shape, shapes = learner.model.input_shape, learner.model.shapes
        not_adapted = learner.model.not_adapted
        init, apply = learner.model.init, learner.model.apply

    plain = Learner(Plain(), learner.classification)
    found = inner_loops.meta_gradient(
        "anil", plain, phi, episodes, step_cap=3, numbers=inner_loops.numbers((1, 3))
    )
    assert torch.allclose(found.gradient, with_features.gradient, rtol=1e-10, atol=1e-13)


def test_a_task_moves_the_head_alone(problem):
    plain, phi, episodes = problem
    learner = HeadAlone.of(plain)
    support = Examples(*(part[0] for part in episodes.support))
    adaptation = Adaptation({"inner_lr": torch.tensor([0.1, 0.2]).double()}, None, gradient_step)
    theta = adapt(learner, phi, support, adaptation, steps=2)
    before = learner.layout.unflatten(phi)
    for name in learner.shapes:
        same = torch.equal(theta[name], before[name][:, None].expand_as(theta[name]))
        assert same == (name not in head_of(learner.model))
    assert theta[FEATURES].shape[:3] == support.y.shape[:0] + (2, 3, support.x.shape[1])


def test_in_bfloat16_features_are_those_of_the_model(problem):
    learner, phi, episodes = problem
    low = Learner(learner.model, learner.classification, torch.bfloat16)
    head = HeadAlone.of(low)
    theta = head.begin(learner.layout.unflatten(phi), episodes.support, 3)
    assert theta[FEATURES].dtype == torch.bfloat16
    whole, apart = low.loss(theta, episodes.support), head.inner_loss(theta, episodes.support)
    assert torch.allclose(whole, apart, rtol=1e-6)


def test_a_module_is_adapted_by_its_last_layer():
    kind = lift(lambda shape, outputs: MAPPED["BatchNorm1d"]())
    model = kind.make(kind.complete({}), (4,), 2)
    learner = HeadAlone.of(Learner(model, classification=False))
    assert learner.adapted == ("head.weight", "head.bias")
    whole = Learner(model, classification=False)
    phi = model.init(torch.tensor([3, 4]), torch.float64)
    support = Examples(torch.rand(2, 2, 5, 4).double(), torch.rand(2, 2, 5, 2).double())
    theta = learner.begin(phi, support, 2)
    apart = learner.inner_loss(theta, support)
    assert torch.allclose(apart, whole.loss(theta, support), rtol=1e-12)


def test_a_model_whose_head_is_kept_still_or_not_known_is_refused():
    kind = lift(lambda shape, outputs: MAPPED["Linear"](), adapt="body")
    model = kind.make(kind.complete({}), (4,), 2)
    with pytest.raises(InvalidModel, match="would move nothing"):
        HeadAlone.of(Learner(model, classification=False)).checked()

    class Own:
        shapes = {"w": (3, 2)}
        not_adapted = frozenset()

    with pytest.raises(InvalidModel, match="does not say which parameters are its head"):
        HeadAlone.of(Learner(Own(), classification=False)).checked()
    linear = Mlp((3,), (), 2)
    assert HeadAlone.of(Learner(linear, False)).checked().adapted == ("w0", "b0")


@pytest.mark.parametrize("order", ["second", "first"])
def test_lanes_are_trials_alone(order):
    inner_loops.assert_lanes_are_trials_alone("anil", meta_batch=3, order=order)


@pytest.mark.parametrize("transductive", [True, False])
def test_the_file_answers_like_the_study(tmp_path, transductive):
    path = tmp_path / "w.safetensors"
    inner_loops.assert_the_file_answers_like_the_study("anil", path, meta_batch=2)
    inner_loops.assert_the_file_answers_like_the_study(
        "anil", path, transductive=transductive, tasks=inner_loops.OMNIGLOT,
        model=inner_loops.CONV4, meta_batch=2,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.night
@pytest.mark.parametrize("order", ["second", "first"])
def test_a_compiled_program_trains_like_the_plain_one(programs, order):
    inner_loops.assert_compiled_is_plain("anil", programs, meta_batch=2, order=order)


@pytest.mark.slow
@pytest.mark.night
def test_a_compiled_program_of_convolutions_trains_like_the_plain_one(programs):
    inner_loops.assert_compiled_is_plain(
        "anil", programs, steps=(1, 2), tasks=inner_loops.OMNIGLOT, model=inner_loops.CONV4,
        meta_batch=1,
    )  # fmt: skip
