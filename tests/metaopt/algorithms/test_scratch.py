"""Training from scratch: meta-iterations change nothing, a task trains a fresh network."""

import pytest
import torch

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.evaluation.curve import draw
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.winner import read_winner
from tests import reference
from tests.programs import use_compiled

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 4}
MLP = {"kind": "mlp", "widths": [6], "activation": "tanh"}


def population(names: str, **options) -> Population:
    params = {"test_steps": 4, **options}
    signature = signature_of(
        tasks=SINUSOID, model=MLP, algorithm="scratch", params=params, dtype="float64"
    )
    made = Population(signature, program_lanes=4)
    for number, name in enumerate(names):
        made.admit(name, {**params, "inner_lr": 0.05 * (1 + number)}, seed=number, horizon=20)
    return made


def test_meta_iterations_change_nothing_and_count():
    made, untouched = population("ab"), population("ab")
    made.advance(7)
    for name in "ab":
        assert made.state(name).age == 7
        for part, weight in made.weights(name).items():
            assert torch.equal(weight, untouched.weights(name)[part])
    ours, theirs = made.weights("a")["w0"], made.weights("b")["w0"]
    assert not torch.allclose(ours, theirs), "each trial begins with weights of its own"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_task_trains_a_fresh_network_like_the_loop(optimizer, tmp_path):
    made = population("ab", inner_optimizer=optimizer)
    made.advance(2)
    bank = BankSpec("test", 2, 5, 5, 4, 4)
    told = made.evaluate(["b"], bank)["b"]
    made.write_model("b", tmp_path / "w.safetensors", transductive=True)
    winner = read_winner(tmp_path / "w.safetensors")
    support, query = draw(made.program.tasks, bank, "cpu")
    for task, score in enumerate(told.scores):
        x_s, y_s = support.x[task], support.y[task]
        own = reference.fine_tuned(
            lambda w, x=x_s, y=y_s: reference.loss(reference.mlp(w, x, "tanh"), y),
            made.weights("b"), steps=4, lr=0.1, optimizer=optimizer,
        )  # fmt: skip
        expected = reference.mlp(own, query.x[task], "tanh")
        assert float(reference.loss(expected, query.y[task])) == pytest.approx(score, rel=1e-9)
        answers = winner.adapt(x_s, y_s).outputs(query.x[task])
        assert torch.allclose(answers, expected, rtol=1e-9, atol=1e-9)


def test_a_lane_resumes_among_others(tmp_path):
    made = population("abc")
    made.advance(3)
    digest = made.checkpoint("b", tmp_path / "b")
    resumed = population("")
    params = {"test_steps": 4, "inner_lr": 0.1}
    resumed.admit("b", params, seed=1, horizon=20, checkpoint=tmp_path / "b", digest=digest)
    resumed.advance(2)
    assert resumed.state("b").age == 5
    bank = BankSpec("test", 1, 3, 5, 3, 4)
    both = [each.evaluate(["b"], bank)["b"].curve for each in (made, resumed)]
    assert both[0] == pytest.approx(both[1], rel=1e-12)


def test_nothing_of_an_outer_step_is_asked_for():
    record = ALGORITHMS.get("scratch")
    assert record.outer_rate is None and not record.meta_learns
    assert {"meta_batch", "outer_lr", "inner_steps"}.isdisjoint(record.parameters())


def test_it_learns_from_the_support_set_alone():
    trained = train(
        "scratch",
        tasks={"kind": "linear"},
        model={"kind": "linear"},
        params={"inner_lr": 0.1, "inner_optimizer": "sgd"},
        meta_iterations=3,
    )
    curve = evaluate(trained, BankSpec("test", 1, 100, 10, 10, 20))[0].curve
    assert curve[20] < 0.1 * curve[0]


@pytest.mark.night
def test_it_can_be_compiled_all_the_same(programs):
    made = population("abc")
    use_compiled(made, programs)
    before = made.weights("a")["w0"].clone()
    made.advance(3)
    assert made.compiled and made.state("a").age == 3
    assert torch.equal(made.weights("a")["w0"], before)
