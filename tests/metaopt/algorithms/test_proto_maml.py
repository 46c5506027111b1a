"""Proto-MAML against an explicit loop over lanes and tasks, in float64."""

import pytest
import torch

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms.learners.proto_maml import PrototypeHead, prototype_head
from metaopt.algorithms.maml import meta_gradient
from metaopt.errors import InvalidMetaParameter, InvalidModel
from metaopt.evaluation.curve import draw
from metaopt.models.conv4 import Conv4
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.winner import read_winner
from tests import reference
from tests.fakes.blobs import Blobs
from tests.metaopt.algorithms.embedding_problems import (
    LANES,
    MODELS,
    TASKS,
    WAYS,
    assert_compiled_is_plain,
    check_traced,
    problem,
)

OMNIGLOT = {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 2}
MLP = {"kind": "mlp", "widths": [3], "activation": "tanh"}
CONV4 = {"kind": "conv4", "filters": 2}
ORDERS = ("second", "recomputed", "first")


def apply_of(model):
    """The reference of a model."""
    if isinstance(model, Conv4):
        return lambda w, x: reference.conv4(w, x, model.pooling)
    return lambda w, x: reference.mlp(w, x, model.activation)


def begin_of(model, ways: int):
    """The weights with which a task begins: a head that is the identity gives the features."""
    weight, bias = model.head
    features, apply = model.shapes[weight][0], apply_of(model)

    def begin(body, x, y):
        identity = {weight: torch.eye(features).double(), bias: torch.zeros(features).double()}
        z = apply(body | identity, x)
        means = torch.stack([z[y == k].mean(0) for k in range(ways)])
        return body | {weight: 2 * means.T, bias: -(means**2).sum(1)}

    return begin


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (5, 5), (1, 4)])
@pytest.mark.parametrize("model", MODELS)
def test_its_meta_gradient_is_that_of_the_loop_over_tasks(model, steps, kind):
    learner, phi, episodes = problem(model, PrototypeHead, embedding=WAYS)
    inner_lr = torch.tensor([0.02, 0.05], dtype=torch.float64)
    gradient, loss = meta_gradient(
        learner,
        phi,
        episodes,
        inner_lr=inner_lr,
        inner_steps=torch.tensor(steps),
        step_cap=max(steps),
        first_order=kind == "first",
        recompute=kind == "recomputed",
    )
    for lane in range(LANES):
        expected, expected_loss = reference.maml_gradient(
            apply_of(learner.model),
            learner.layout.unflatten(phi[lane]),
            [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(TASKS)],
            inner_lr=inner_lr[lane],
            steps=steps[lane],
            first_order=kind == "first",
            begin=begin_of(learner.model, WAYS),
        )
        flat = learner.layout.flatten(expected)
        assert torch.allclose(loss[lane], expected_loss, rtol=1e-10, atol=1e-10)
        assert (gradient[lane] - flat).abs().max() < 1e-9 * flat.abs().max()


def test_without_a_step_it_answers_as_a_prototypical_network():
    generator = torch.Generator().manual_seed(1)
    z, asked = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (6, 5))
    y = torch.tensor([0, 1, 2, 2, 1, 0])
    weight, bias = prototype_head(z, y, 3)
    logits = asked @ weight + bias
    assert torch.allclose(
        logits.log_softmax(-1), reference.protonet(z, y, asked, 3).log_softmax(-1)
    )


def test_a_class_without_support_examples_is_never_the_answer():
    learner, phi, (support, query) = problem("mlp", PrototypeHead, embedding=WAYS)
    two = support._replace(y=support.y.clamp(max=1))
    theta = learner.begin(learner.layout.unflatten(phi), two, TASKS)
    answers = learner.answers(theta, two, query.x, transductive=True)
    assert answers.isfinite().all() and (answers.softmax(-1)[..., 2] == 0).all()
    assert learner.loss(theta, two).isfinite().all()


def population(names: str, model=MLP, **options) -> Population:
    """Return lanes "a", "b", … that differ in every number."""
    params = {"meta_batch": 2, "inner_steps": 2, "inner_lr": 0.01, "outer_lr": 0.01, **options}
    signature = signature_of(
        tasks=OMNIGLOT, model=model, algorithm="proto_maml", params=params, step_cap=2, test_cap=3,
        dtype="float64",
    )  # fmt: skip
    made = Population(signature, program_lanes=4)
    for name in names:
        number = ord(name) - ord("a")
        own = {"inner_lr": 0.01 * (1 + number), "inner_steps": 1 + number % 2}
        made.admit(name, {**params, **own}, seed=7 + number, horizon=20)
    return made


def weights(made: Population, name: str) -> torch.Tensor:
    return torch.cat([p.flatten() for p in made.weights(name).values()])


@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
def test_a_lane_among_others_is_the_trial_alone(model):
    together = population("abc", model, train_ways=4, train_shots=3)
    together.advance(3)
    for name in "abc":
        alone = population(name, model, train_ways=4, train_shots=3)
        before = weights(alone, name)
        alone.advance(3)
        ours, theirs = weights(together, name), weights(alone, name)
        assert (ours - theirs).abs().max() < 1e-9 * theirs.abs().max()
        assert not torch.allclose(theirs, before, atol=1e-3)


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
def test_its_winner_answers_as_the_study_scored_it(model, transductive, tmp_path):
    made = population("a", model, train_ways=4, test_steps=3)
    made.advance(2)
    bank = BankSpec("test", 3, 5, 2, 3, 3, transductive, "cross_entropy")
    told = made.evaluate(["a"], bank)["a"]
    made.write_model("a", tmp_path / "w.safetensors", transductive=transductive)
    winner = read_winner(tmp_path / "w.safetensors")
    assert not set(made.program.learner.model.head) & set(winner.weights)
    support, query = draw(made.program.tasks, bank, "cpu")
    for steps in (0, 3):
        losses = []
        for task in range(5):
            adapted = winner.adapt(support.x[task], support.y[task], steps=steps)
            losses.append(reference.loss(adapted.outputs(query.x[task]), query.y[task]))
        assert float(torch.stack(losses).mean()) == pytest.approx(told.curve[steps], rel=1e-9)
    assert [float(loss) for loss in losses] == pytest.approx(told.scores, rel=1e-9)


@pytest.mark.parametrize("order", ["second", "first"])
def test_its_traced_program_computes_what_the_plain_one_does(order):
    check_traced(population("abc", train_ways=3, order=order), k_shot=1, q_query=2)


@pytest.mark.night
@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
def test_its_compiled_program_trains_like_the_plain_one(model, programs):
    assert_compiled_is_plain(
        lambda: population("abc", model, train_ways=3, outer_optimizer="sgd"), programs
    )


def test_it_learns_an_embedding():
    params = {"meta_batch": 8, "inner_lr": 0.01, "inner_steps": 1, "train_ways": 6}
    trained = train(
        "proto_maml",
        tasks=Blobs(),
        model={"kind": "mlp", "widths": [16, 8]},
        params=[{**params, "outer_lr": rate} for rate in (1e-12, 0.02)],
        meta_iterations=60,
        k_shot=2,
        q_query=5,
    )
    begun, learned = evaluate(trained, BankSpec("validation", 1, 200, 2, 5, 1))
    assert begun.curve[1] < 0.6 and learned.curve[1] > 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_module_with_a_linear_head_begins_so(dtype):
    class Net(torch.nn.Module):
        def __init__(self, bias: bool = True):
            super().__init__()
            self.body, self.head = torch.nn.Linear(8, 5), torch.nn.Linear(5, 3, bias=bias)

        def forward(self, x):
            return self.head(torch.tanh(self.body(x)))

    params = {"meta_batch": 2}
    tasks = Blobs(dtype=dtype)
    trained = train(
        "proto_maml", tasks=tasks, model=Net, params=params, meta_iterations=2, dtype=dtype
    )
    assert set(trained.weights(0)) == {"body.weight", "body.bias"}
    (scores,) = evaluate(trained, BankSpec("test", 1, 4, 2, 3, 1))
    assert scores.diverged_share == 0
    with pytest.raises(InvalidModel, match="has no bias"):
        train("proto_maml", tasks=Blobs(), model=Net(bias=False), params=params, meta_iterations=2)


def test_what_it_cannot_use_is_refused_by_name():
    class NoHead:
        input_shape, not_adapted = (8,), frozenset()
        shapes = {"w": (8, 3)}

        def init(self, keys, dtype):
            return {"w": torch.zeros(*keys.shape, 8, 3, dtype=dtype)}

        def apply(self, params, x, *, reference=None):
            return x @ params["w"]

    with pytest.raises(InvalidModel, match="what its last layer is applied to"):
        train("proto_maml", tasks=Blobs(), model=NoHead(), meta_iterations=1)
    with pytest.raises(InvalidMetaParameter, match="take one of .*maml"):
        train("proto_maml", tasks={"kind": "sinusoid"}, meta_iterations=1)
