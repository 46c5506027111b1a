"""ProtoNet, matching networks and R2-D2 as populations, evaluations, programs and winners."""

import pytest
import torch
import torch.nn.functional as F

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms.learners.ridge import BIAS, LOG_RIDGE, SCALE
from metaopt.evaluation.curve import draw
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.winner import read_winner
from tests import reference
from tests.fakes.blobs import Blobs
from tests.metaopt.algorithms.embedding_problems import assert_compiled_is_plain, check_traced
from tests.metaopt.population.test_step import keys_of

ALGORITHMS = ("protonet", "matching", "r2d2")
OMNIGLOT = {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 2}
MLP = {"kind": "mlp", "widths": [3], "activation": "tanh"}
CONV4 = {"kind": "conv4", "filters": 2}
OTHER = {"train_ways": 4, "train_shots": 3}
SMALL = {"meta_batch": 2, "embedding": 3, "outer_lr": 0.01}


def population(algorithm: str, names: str, model=MLP, **options) -> Population:
    """Return lanes "a", "b", … that differ in every number."""
    params = {**SMALL, **options}
    signature = signature_of(
        tasks=OMNIGLOT, model=model, algorithm=algorithm, params=params, dtype="float64"
    )
    made = Population(signature, program_lanes=4)
    for name in names:
        number = ord(name) - ord("a")
        own = {"outer_lr": 0.01 * (1 + number), "gradient_norm": 0.5 * number}
        made.admit(name, {**params, **own}, seed=7 + number, horizon=20)
    return made


def weights(made: Population, name: str) -> torch.Tensor:
    return torch.cat([p.flatten() for p in made.weights(name).values()])


@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_lane_among_others_is_the_trial_alone(algorithm, model):
    together = population(algorithm, "abc", model, **OTHER)
    together.advance(3)
    for name in "abc":
        alone = population(algorithm, name, model, **OTHER)
        before = weights(alone, name)
        alone.advance(3)
        ours, theirs = weights(together, name), weights(alone, name)
        assert (ours - theirs).abs().max() < 1e-9 * theirs.abs().max()
        assert not torch.allclose(theirs, before, atol=1e-3)


def outputs_of(algorithm: str, ways: int):
    """The reference's answers, from weights and examples."""

    def answers(w, x_s, y_s, x_q):
        model = {name: w[name] for name in w if name[0] in "wb" and name[1:].isdigit()}
        z = reference.mlp(model, torch.cat([x_s, x_q]).flatten(1), "tanh")
        z_s, z_q = z[: len(x_s)], z[len(x_s) :]
        if algorithm == "protonet":
            return reference.protonet(z_s, y_s, z_q, ways)
        if algorithm == "matching":
            return reference.matching(z_s, y_s, z_q, ways, w["matching.log_scale"].exp())
        y = F.one_hot(y_s, ways).double()
        return w[SCALE] * reference.ridge(z_s, y, z_q, w[LOG_RIDGE].exp()) + w[BIAS]

    return answers


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_trains_like_the_loop_on_more_classes_and_examples_than_it_is_judged_on(algorithm):
    made = population(algorithm, "a", **OTHER)
    own = {k: v.clone().requires_grad_() for k, v in made.weights("a").items()}
    optimizer = torch.optim.Adam(own.values(), lr=0.01)
    more = made.program.tasks.with_ways("train", 4)
    for age in range(3):
        episodes = more.sample("train", keys_of(age, 2), 3, 2)
        assert episodes.support.y[0].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
        tasks = [tuple((e.x[t], e.y[t]) for e in episodes) for t in range(2)]
        gradients, _ = reference.answers_gradient(outputs_of(algorithm, 4), own, tasks)
        for name, weight in own.items():
            weight.grad = gradients[name]
        optimizer.step()
    made.advance(3)
    for name, weight in made.weights("a").items():
        if name != BIAS:  # its gradient is 0 up to rounding, and Adam turns that into steps
            assert torch.allclose(weight, own[name], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_winner_answers_as_the_study_scored_it(algorithm, model, transductive, tmp_path):
    made = population(algorithm, "a", model, **OTHER)
    made.advance(2)
    bank = BankSpec("test", 3, 5, 2, 3, 2, transductive)
    told = made.evaluate(["a"], bank)["a"]
    assert told.curve == [told.curve[0]] * 3, "no inner loop: the same after any number of steps"
    made.write_model("a", tmp_path / "w.safetensors", transductive=transductive)
    winner = read_winner(tmp_path / "w.safetensors")
    support, query = draw(made.program.tasks, bank, "cpu")
    learner = made.program.learner
    theta = learner.begin(learner.layout.unflatten(made.trained().phi), support, 5)
    answers = learner.answers(theta, support, query.x, transductive=transductive)[0]
    for task, score in enumerate(told.scores):
        adapted = winner.adapt(support.x[task], support.y[task])
        assert torch.allclose(adapted.outputs(query.x[task]), answers[task], rtol=1e-9, atol=1e-9)
        right = adapted.predict(query.x[task]) == query.y[task]
        assert float(right.double().mean()) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_traced_program_computes_what_the_plain_one_does(algorithm):
    check_traced(population(algorithm, "abc", **OTHER), k_shot=1, q_query=2)


@pytest.mark.night
@pytest.mark.parametrize("model", [MLP, CONV4], ids=["mlp", "conv4"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_compiled_program_trains_like_the_plain_one(algorithm, model, programs):
    assert_compiled_is_plain(
        lambda: population(algorithm, "abc", model, outer_optimizer="sgd", **OTHER), programs
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_learns_an_embedding(algorithm):
    params = {"meta_batch": 8, "embedding": 8, "train_ways": 6}
    trained = train(
        algorithm,
        tasks=Blobs(),
        model={"kind": "mlp", "widths": [16]},
        params=[{**params, "outer_lr": rate} for rate in (1e-12, 0.02)],
        meta_iterations=60,
        k_shot=2,
        q_query=5,
    )
    begun, learned = evaluate(trained, BankSpec("validation", 1, 200, 2, 5, 0))
    assert begun.curve[0] < 0.55 and learned.curve[0] > 0.85


def test_ridge_regression_learns_features_of_sinusoids():
    trained = train(
        "r2d2",
        tasks={"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        model={"kind": "mlp", "widths": [40]},
        params=[{"meta_batch": 8, "embedding": 16, "outer_lr": rate} for rate in (1e-12, 5e-3)],
        meta_iterations=100,
    )
    begun, learned = evaluate(trained, BankSpec("test", 1, 200, 10, 20, 0))
    assert learned.curve[0] < begun.curve[0] / 3
