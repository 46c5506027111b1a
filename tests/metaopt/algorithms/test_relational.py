"""The relation model against an explicit loop: the start of each task, and MAML from there."""

from dataclasses import replace

import pytest
import torch

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms import maml
from metaopt.algorithms.learners.relations import Relations
from metaopt.errors import InvalidModel
from metaopt.models.conv4 import Conv4
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.tasks.base import Examples
from tests import algorithm_proofs as proofs
from tests import reference

SMALL = {"anchors": 3, "task_embedding": 4, "hidden": 5}
REGRESSION = proofs.Case(
    "relational",
    {"kind": "sinusoid", "k_shot": 4, "q_query": 3},
    {"kind": "mlp", "widths": [6], "activation": "tanh"},
    {**SMALL, "meta_batch": 3},
    ({"inner_lr": 0.02, "inner_steps": 1}, {"inner_lr": 0.05, "inner_steps": 2, "outer_lr": 0.01}),
    cap=2,
)
IMAGES = proofs.Case(
    "relational",
    {"kind": "omniglot", "n_way": 3, "k_shot": 1, "q_query": 2, "rotations": "task"},
    {"kind": "conv4", "filters": 2},
    {**SMALL, "meta_batch": 2, "modulation": "tensor"},
    ({"inner_lr": 0.1, "inner_steps": 1}, {"inner_lr": 0.3, "inner_steps": 2}),
    cap=2,
)


def relations(plain, by_channel=True):
    """Return such a learner of a plain one, and a generic φ (2, P)."""
    widths = {"anchors": 3, "embedding": 4, "hidden": 5}
    learner = Relations.of(
        replace(plain, width=plain.model.outputs), **widths, by_channel=by_channel
    )
    generator = torch.Generator().manual_seed(6)
    phi = torch.randn(2, learner.layout.total, generator=generator, dtype=torch.float64)
    return learner, 0.3 * phi + 0.05


def expected_gradient(learner, weights, tasks, **numbers):
    model, own = learner.model, list(learner.model.shapes)

    def apply(w, x):
        if isinstance(model, Conv4):
            return reference.conv4(w, x, model.pooling)
        return reference.mlp({name: w[name] for name in own}, x, model.activation)

    def begin(w, x, y):
        return reference.relational_start(w, x, y, own, learner.width, learner.by_channel)

    gradient, loss = reference.maml_gradient(
        apply, weights, tasks, begin=begin, frozen=model.not_adapted, **numbers
    )
    return learner.layout.flatten(gradient), loss


@pytest.mark.parametrize("problem", ["mlp", "conv4", "conv4-fixed-norm"], indirect=True)
@pytest.mark.parametrize(
    ("steps", "first_order", "by_channel"),
    [((1, 3), False, True), ((5, 5), False, True), ((1, 3), True, True), ((1, 3), False, False)],
    ids=["second", "five steps", "first", "tensor"],
)
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, first_order, by_channel):
    plain, _, episodes = problem
    learner, phi = relations(plain, by_channel)
    inner_lr = torch.tensor([0.05, 0.1], dtype=torch.float64)
    gradient, loss = maml.meta_gradient(
        learner, phi, episodes, inner_lr=inner_lr, inner_steps=torch.tensor(steps),
        step_cap=max(steps), first_order=first_order,
    )  # fmt: skip
    for lane in range(2):
        expected, expected_loss = expected_gradient(
            learner,
            learner.layout.unflatten(phi[lane]),
            proofs.as_one_task_after_the_other(episodes, lane),
            inner_lr=inner_lr[lane],
            steps=steps[lane],
            first_order=first_order,
        )
        assert torch.allclose(loss[lane], expected_loss, rtol=1e-10)
        proofs.close(gradient[lane], expected)


@pytest.mark.parametrize("problem", ["mlp", "conv4"], indirect=True)
def test_a_task_is_compared_with_anchors_whatever_the_order_of_its_examples(problem):
    plain, _, (support, _) = problem
    learner, flat = relations(plain)
    phi = learner.layout.unflatten(flat)
    likeness = learner.attention(phi, support, 3)
    assert likeness.shape == (2, 3, 3)
    assert torch.allclose(likeness.sum(-1), torch.ones(2, 3).double())
    assert likeness.std(1).min() > 1e-4  # tasks differ in it
    order = torch.randperm(support.y.shape[2], generator=torch.Generator().manual_seed(1))
    turned = Examples(support.x[:, :, order], support.y[:, :, order])
    assert torch.allclose(learner.attention(phi, turned, 3), likeness, atol=1e-12)


def test_it_begins_as_maml():
    params = {"meta_batch": 3, "inner_steps": 2}
    tasks, model = REGRESSION.tasks, REGRESSION.model
    bank = BankSpec("test", seed=1, tasks=5, k_shot=4, q_query=3, steps=2)
    scores = []
    for name, own in (("maml", {}), ("relational", SMALL)):
        signature = signature_of(
            tasks=tasks, model=model, algorithm=name, params=params | own, dtype="float64"
        )
        made = Population(signature)
        made.admit("t", params | own, seed=5, horizon=9)
        scores.append(made.evaluate(["t"], bank)["t"].scores)
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)


@pytest.mark.parametrize("problem", ["mlp"], indirect=True)
def test_a_name_that_it_needs_itself_is_refused(problem):
    plain, _, _ = problem

    class Model(type(plain.model)):
        shapes = {"relation.keys": (1,)}

    model = object.__new__(Model)
    model.__dict__ |= plain.model.__dict__
    learner = Relations.of(replace(plain, model=model, width=1))
    with pytest.raises(InvalidModel, match="relation.keys"):
        learner.layout  # noqa: B018


@pytest.mark.parametrize("case", [REGRESSION, IMAGES], ids=["numbers", "images"])
def test_a_lane_is_a_trial_alone(case):
    assert proofs.apart(proofs.together_and_alone(case)) < 1e-9


@pytest.mark.parametrize("case", [REGRESSION, IMAGES], ids=["numbers", "images"])
def test_a_winners_file_answers_as_it_was_scored(case, tmp_path):
    path = tmp_path / "w.safetensors"
    assert proofs.apart(proofs.file_and_study(case, path)) < 1e-9


@pytest.mark.night
@pytest.mark.parametrize("case", [REGRESSION, IMAGES], ids=["numbers", "images"])
def test_a_compiled_program_trains_as_the_plain_one(case, programs):
    assert proofs.apart(proofs.compiled_and_plain(case, programs)) < 1e-9


def test_it_learns_what_maml_from_one_start_cannot():
    """Sinusoids of any phase, one step: the start already is the task's."""
    tasks = {"kind": "sinusoid", "k_shot": 5, "q_query": 10, "phase": [0.0, 6.28]}
    model = {"kind": "mlp", "widths": [20], "activation": "tanh"}
    params = {"inner_lr": 0.01, "meta_batch": 16, "outer_lr": 1e-2}
    bank = BankSpec("test", seed=1, tasks=100, k_shot=5, q_query=10, steps=1)

    def score(name, iterations, **own):
        trained = train(
            name, tasks=tasks, model=model, params=params | own, meta_iterations=iterations
        )
        return evaluate(trained, bank)[0].curve[1]

    own = {"anchors": 4, "task_embedding": 16, "hidden": 32}
    start, related = score("relational", 1, **own), score("relational", 200, **own)
    assert related < 0.7 * start
    assert related < 0.7 * score("maml", 200)
