"""Baseline and Baseline++: pretraining on pooled examples, a new head fine-tuned on a task."""

import pytest
import torch
import torch.nn.functional as F

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.pretrained import NEW, WEIGHT
from metaopt.algorithms.pretraining import labelled
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidMetaParameter, InvalidModel
from metaopt.evaluation.curve import Adaptation, adapt, draw
from metaopt.models.lift import lift
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.tasks.base import Examples
from metaopt.tasks.dataset.tasks import DatasetTasks
from metaopt.winner import read_winner
from tests import reference
from tests.fakes.blobs import Blobs, NumberedBlobs
from tests.fakes.modules import MAPPED
from tests.fakes.packed import labelled as packed
from tests.metaopt.algorithms.embedding_problems import assert_compiled_is_plain, check_traced
from tests.metaopt.population.test_step import keys_of

BOTH = ("pretrain", "pretrain_cosine")
OMNIGLOT = {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 2}
SINUSOID = {"kind": "sinusoid", "k_shot": 4, "q_query": 3}
MLP = {"kind": "mlp", "widths": [3], "activation": "tanh"}
CONV4 = {"kind": "conv4", "filters": 2}
SMALL = {"meta_batch": 2, "outer_lr": 0.01, "test_steps": 3, "inner_lr": 0.1}


def population(algorithm: str, names: str, model=MLP, tasks=OMNIGLOT, **options) -> Population:
    """Return lanes "a", "b", … that differ in every number."""
    params = {**SMALL, **options}
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=params, dtype="float64"
    )
    made = Population(signature, program_lanes=4)
    for name in names:
        number = ord(name) - ord("a")
        own = {"outer_lr": 0.01 * (1 + number), "inner_lr": 0.1 * (1 + number)}
        made.admit(name, {**params, **own}, seed=7 + number, horizon=20)
    return made


def features(made: Population, weights, x, count=None):
    """Return what the reference network's head is applied to (N, D)."""
    own = {name: weights[name] for name in made.program.learner.model.shapes}
    if "conv0" in own:
        size = own["w"].shape[0]
        eye = {"w": torch.eye(size, dtype=x.dtype), "b": torch.zeros(size, dtype=x.dtype)}
        return reference.conv4({**own, **eye}, x, "stride", count)
    body = {"w0": own["w0"], "b0": own["b0"]}
    return torch.tanh(reference.mlp(body, x.flatten(1)))


def cosine_logits(scale, z, w):
    z, w = (v / v.norm(dim=d, keepdim=True).clamp(min=1e-5) for v, d in ((z, 1), (w, 0)))
    return scale * z @ w


def all_logits(made: Population, weights, x):
    """Return the logits of all classes of meta-training (N, M)."""
    z, algorithm = features(made, weights, x), made.signature.algorithm
    if algorithm == "pretrain":
        return z @ weights["pretrain.w"] + weights["pretrain.b"]
    return cosine_logits(10.0, z, weights["pretrain.w"])


def pooled(made: Population, age: int):
    """Return all examples of a meta-iteration, and which character of 1,028 each shows."""
    tasks, keys = made.program.tasks, keys_of(age, 2)
    episodes = tasks.sample("train", keys, 1, 2)
    x, y = [], []
    for task in range(2):
        characters = tasks.describe("train", keys[task], 1, 2).names
        numbers = [tasks.classes("train").index(name) for name in characters]
        for part in episodes:
            x.append(part.x[task])
            y += [numbers[label] for label in part.y[task].tolist()]
    return torch.cat(x), torch.tensor(y)


@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", BOTH)
def test_it_trains_like_the_loop_on_one_batch_of_all_classes(algorithm, model):
    made = population(algorithm, "a", model)
    own = {k: v.clone().requires_grad_() for k, v in made.weights("a").items()}
    begun = {k: v.detach().clone() for k, v in own.items()}
    assert own[WEIGHT].shape[1] == len(made.program.tasks.classes("train"))
    optimizer = torch.optim.Adam(own.values(), lr=0.01)
    for age in range(3):
        x, y = pooled(made, age)
        assert y.max() > 2, "numbers of all classes, not of those of a task"
        optimizer.zero_grad()
        F.cross_entropy(all_logits(made, own, x), y).backward()
        optimizer.step()
    made.advance(3)
    for name, weight in made.weights("a").items():
        assert torch.allclose(weight, own[name], rtol=1e-7, atol=1e-9), name
        left_alone = (NEW, "w", "b", "w1", "b1")  # heads of tasks
        assert torch.equal(weight, begun[name]) == (name in left_alone)


@pytest.mark.parametrize("algorithm", BOTH)
def test_its_gradient_equals_that_of_the_loop(algorithm):
    made = population(algorithm, "ab", CONV4)
    program, record = made.program, made.program.kinds.algorithm
    keys = torch.stack([keys_of(0, 2), keys_of(1, 2)])
    drawn = record.draw(
        program.training, keys, k_shot=1, q_query=2, options=program.signature.structure,
        step_cap=0,
    )  # fmt: skip
    assert drawn.query.y.numel() == 0
    phi = made.trained().phi
    found = record.meta_gradient(
        program.learner, phi, drawn, numbers={}, options=program.signature.structure, step_cap=0,
        state=None,
    )  # fmt: skip
    for lane in range(2):
        own = {
            name: p.clone().requires_grad_()
            for name, p in program.learner.layout.unflatten(phi[lane]).items()
        }
        loss = F.cross_entropy(all_logits(made, own, drawn.support.x[lane].flatten(0, 1)),
                               drawn.support.y[lane].flatten())  # fmt: skip
        told = torch.autograd.grad(loss, list(own.values()), materialize_grads=True)
        flat = torch.cat([g.flatten() for g in told])
        assert torch.allclose(found.loss[lane], loss, rtol=0, atol=1e-10)
        assert (found.gradient[lane] - flat).abs().max() < 1e-9 * flat.abs().max()


def fine_tuned(made: Population, weights, x_s, y_s, x_q, *, steps, lr, whole, transductive):
    """Return the logits of a task by a loop: new head, Adam with β1 = 0."""
    cosine = made.signature.algorithm == "pretrain_cosine"
    model = {name: weights[name].clone() for name in made.program.learner.model.shapes}
    head = {NEW: weights[NEW].clone()} if cosine else {
        name: torch.zeros_like(model[name]) for name in made.program.learner.model.head
    }  # fmt: skip
    moved = dict(head)
    if whole:
        kept = made.program.learner.model.head
        moved |= {name: p for name, p in model.items() if name not in kept}

    def logits(own, x, count=None):
        z = features(made, model | own, x, count)
        if cosine:
            return cosine_logits(2.0, z, own[NEW])
        weight, bias = own.values() if not whole else (own[name] for name in head)
        return z @ weight + bias

    moved = reference.fine_tuned(
        lambda own: F.cross_entropy(logits(own, x_s), y_s), moved, steps=steps, lr=lr,
        optimizer="adam",
    )  # fmt: skip
    if transductive:
        return logits(moved, x_q)
    return logits(moved, torch.cat([x_s, x_q]), len(x_s))[len(x_s) :]


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("fine_tune", ["head", "all"])
@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", BOTH)
def test_a_task_is_fine_tuned_like_the_loop_and_so_is_its_winner(
    algorithm, model, fine_tune, transductive, tmp_path
):
    made = population(algorithm, "ab", model, fine_tune=fine_tune)
    made.advance(2)
    bank = BankSpec("test", 3, 3, 2, 3, 4, transductive)
    told = made.evaluate(["a", "b"], bank)
    made.write_model("b", tmp_path / "w.safetensors", transductive=transductive)
    winner = read_winner(tmp_path / "w.safetensors")
    assert winner.card.train_classes == len(made.program.tasks.classes("train"))
    support, query = draw(made.program.tasks, bank, "cpu")
    for task, score in enumerate(told["b"].scores):
        x_s, y_s, x_q, y_q = support.x[task], support.y[task], query.x[task], query.y[task]
        expected = fine_tuned(
            made, made.weights("b"), x_s, y_s, x_q, steps=3, lr=0.2, whole=fine_tune == "all",
            transductive=transductive,
        )  # fmt: skip
        answers = winner.adapt(x_s, y_s).outputs(x_q)
        assert torch.allclose(answers, expected, rtol=1e-8, atol=1e-9)
        right = float((expected.argmax(1) == y_q).double().mean())
        assert right == pytest.approx(score, abs=1e-12)


def test_numbers_are_pretrained_on_pooled_examples_and_fine_tuned_as_a_whole():
    made = population("pretrain", "a", tasks=SINUSOID)
    own = {k: v.clone().requires_grad_() for k, v in made.weights("a").items()}
    assert set(own) == {"w0", "b0", "w1", "b1"}
    optimizer = torch.optim.Adam(own.values(), lr=0.01)
    for age in range(3):
        episodes = made.program.tasks.sample("train", keys_of(age, 2), 4, 3)
        x, y = (torch.cat([p[i].flatten(0, 1) for p in episodes]) for i in (0, 1))
        optimizer.zero_grad()
        F.mse_loss(reference.mlp(own, x, "tanh"), y).backward()
        optimizer.step()
    made.advance(3)
    for name, weight in made.weights("a").items():
        assert torch.allclose(weight, own[name], rtol=1e-7, atol=1e-9), name
    learner = made.program.learner
    assert set(learner.adapted) == set(own)
    head = population("pretrain", "a", tasks=SINUSOID, fine_tune="head").program.learner
    assert head.adapted == ("w1", "b1")
    theta = learner.begin(learner.layout.unflatten(made.trained().phi), None, 1)
    assert torch.equal(theta["w1"][0, 0], made.weights("a")["w1"]), "begins with its own head"


@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", BOTH)
def test_a_lane_among_others_is_the_trial_alone_and_resumes(algorithm, model, tmp_path):
    together = population(algorithm, "abc", model)
    together.advance(2)
    digest = together.checkpoint("b", tmp_path / "b")
    together.advance(2)
    resumed = population(algorithm, "", model)
    params = {**SMALL, "outer_lr": 0.02, "inner_lr": 0.2}
    resumed.admit("b", params, seed=8, horizon=20, checkpoint=tmp_path / "b", digest=digest)
    resumed.advance(2)
    bank = BankSpec("test", 1, 3, 1, 3, 3)
    for name in "abc":
        alone = population(algorithm, name, model)
        alone.advance(4)
        for other in (alone, *([resumed] if name == "b" else [])):
            for part, weight in other.weights(name).items():
                ours = together.weights(name)[part]
                assert (ours - weight).abs().max() <= 1e-9 * weight.abs().max().clamp(min=1e-9)
            curves = [made.evaluate([name], bank)[name].curve for made in (together, other)]
            assert curves[0] == pytest.approx(curves[1], rel=1e-9)


def test_tasks_with_classes_of_their_own_have_those_alone():
    tasks = DatasetTasks.of(packed([[5, 5]] * 9), normalise="none")
    keys = torch.arange(4)
    examples = labelled(tasks, keys, 2, 1)
    assert tasks.class_count("train") == 2
    assert torch.equal(examples.x[..., 1].long(), examples.y), "the class that a row says it has"


def test_tasks_that_do_not_number_their_classes_are_refused_by_name():
    with pytest.raises(InvalidMetaParameter, match="tasks Blobs do not say which") as refused:
        train("pretrain", tasks=Blobs(), model={"kind": "mlp"}, meta_iterations=1)
    assert "class_numbers" in str(refused.value) and "scratch" in str(refused.value)
    with pytest.raises(InvalidMetaParameter, match="pretrain_cosine is for tasks of classes"):
        train("pretrain_cosine", tasks=SINUSOID, model={"kind": "mlp"}, meta_iterations=1)


def test_a_model_whose_head_cannot_be_replaced_is_refused():
    class Own:
        shapes = {"w": (3, 2)}
        not_adapted = frozenset()
        head = ("w",)
        input_shape = (3,)

    record = ALGORITHMS.get("pretrain")
    options = record.structure(record.complete({"fine_tune": "all"}))
    with pytest.raises(InvalidModel, match="another one in pretraining"):
        record.learner(Learner(Own(), True, width=2, train_classes=5), options)


def test_a_module_is_fine_tuned_by_its_last_layer():
    kind = lift(lambda shape, outputs: MAPPED["BatchNorm1d"]())
    model = kind.make(kind.complete({}), (4,), 2)
    record: Algorithm = ALGORITHMS.get("pretrain")
    options = record.structure(record.complete({}))
    learner = record.learner(Learner(model, True, width=2, train_classes=5), options)
    assert learner.adapted == ("head.weight", "head.bias")
    phi = learner.layout.flatten(learner.init(torch.tensor([3, 4]), torch.float64))
    y = torch.arange(2).repeat(3).expand(2, -1)
    support = Examples(torch.rand(2, 6, 4).double() + 3 * y[..., None], y)
    zeros = learner.layout.unflatten(torch.zeros_like(phi))
    memory = InnerState(zeros, torch.zeros(2, 1).double())
    adaptation = Adaptation({"inner_lr": torch.tensor([0.1, 0.2]).double()}, memory)
    theta = adapt(learner, phi, support, adaptation, steps=2)
    assert theta["head.weight"].abs().min() > 0 and WEIGHT not in theta
    assert learner.loss(theta, support).max() < 0.693, "better than to know nothing"


@pytest.mark.parametrize("algorithm", BOTH)
def test_its_traced_program_computes_what_the_plain_one_does(algorithm):
    check_traced(population(algorithm, "abc"), k_shot=1, q_query=2)


@pytest.mark.night
@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", BOTH)
def test_its_compiled_program_trains_like_the_plain_one(algorithm, model, programs):
    assert_compiled_is_plain(
        lambda: population(algorithm, "abc", model, outer_optimizer="sgd"), programs
    )


@pytest.mark.parametrize("algorithm", BOTH)
def test_pretraining_teaches_features(algorithm):
    trained = train(
        algorithm,
        tasks=NumberedBlobs(),
        model={"kind": "mlp", "widths": [16]},
        params=[{"meta_batch": 8, "outer_lr": rate} for rate in (1e-12, 0.02)],
        meta_iterations=100,
        k_shot=2,
        q_query=5,
    )
    begun, learned = evaluate(trained, BankSpec("validation", 1, 200, 2, 5, 20))
    assert begun.curve[20] < 0.6 and learned.curve[20] > begun.curve[20] + 0.15
    assert learned.curve[20] > learned.curve[0] + 0.3
