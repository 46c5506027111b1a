"""What every algorithm with an inner loop of its own keeps to, whatever its rule.

Lanes are the trial alone, the winner's file answers as the evaluation, a compiled program computes
what the plain one does, and training helps.
"""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import draw
from metaopt.population.fresh import fresh_lane
from metaopt.population.lanes import Lanes, stack
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.step import draw as draw_tasks
from metaopt.population.step import meta_iteration
from metaopt.tasks.base import mean_loss
from metaopt.winner import read_winner
from tests.programs import use_compiled

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
OMNIGLOT = {"kind": "omniglot", "n_way": 3, "k_shot": 1, "q_query": 2, "split": "vinyals"}
MLP = {"kind": "mlp", "widths": [16, 16], "activation": "tanh"}
CONV4 = {"kind": "conv4", "filters": 4}
FOML = {"meta_batch": 3, "inner_batch": 3, "outer_optimizer": "adam"}
CASES = {
    "meta_sgd": ("meta_sgd", {"meta_batch": 4}),
    "meta_curvature": ("meta_curvature", {"meta_batch": 4}),
    "imaml": ("imaml", {"meta_batch": 4, "cg_steps": 3}),
    "foml": ("foml", {**FOML, "inner_optimizer": "adam"}),
    "foml with a tail": ("foml", {**FOML, "tail_shots": 4}),
}
GOOD = {
    "meta_sgd": {"initial_rate": 0.02, "outer_lr": 0.01, "inner_steps": 2},
    "meta_curvature": {"inner_lr": 0.02, "outer_lr": 0.01, "inner_steps": 2},
    "imaml": {"inner_lr": 0.02, "proximal": 2.0, "outer_lr": 0.003, "inner_steps": 6},
    "foml": {"inner_lr": 0.01, "epsilon": 0.01, "inner_steps": 3},
}
"""Numbers that train."""


def params_of(case: str, number: int) -> dict:
    """Meta-parameters of a trial, other ones for each number."""
    algorithm, fixed = CASES[case]
    numbers = {
        name: 1 + (value + number) % 4 if name == "inner_steps" else value * (1 + number / 5)
        for name, value in GOOD[algorithm].items()
    }
    return {**fixed, **numbers}


def population(case: str, numbers: list[int], images: bool = False, **how) -> Population:
    return population_on(OMNIGLOT if images else SINUSOID, case, numbers, images, **how)


def population_on(
    tasks: dict, case: str, numbers: list[int], images: bool = False, cap: int = 6, **how
) -> Population:
    algorithm, fixed = CASES[case]
    signature = signature_of(
        tasks=tasks, model=CONV4 if images else MLP,
        algorithm=algorithm, params=fixed, step_cap=cap, test_cap=6, dtype="float64",
    )  # fmt: skip
    made = Population(signature, **how)
    for number in numbers:
        params = params_of(case, number)
        params["inner_steps"] = min(params["inner_steps"], cap)
        made.admit(f"t{number}", params, seed=10 + number, horizon=100)
    return made


def flat(made: Population, lane: str) -> torch.Tensor:
    return torch.cat([p.flatten() for p in made.weights(lane).values()])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("images", [False, True], ids=["mlp", "conv4"])
def test_a_lane_equals_the_same_trial_run_alone(case, images):
    alone, together = population(case, [2], images), population(case, [0, 2, 3], images)
    for made in (alone, together):
        made.advance(2 if images else 6)
    ours, theirs = flat(together, "t2"), flat(alone, "t2")
    assert ours.isfinite().all() and together.state("t2").diverged_at is None
    assert (ours - theirs).norm() < 1e-9 * theirs.norm()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("images", [False, True], ids=["mlp", "conv4"])
def test_the_winner_answers_as_it_was_scored(case, images, tmp_path):
    found = population(case, [0, 1], images)
    found.advance(2 if images else 6)
    for transductive in (True, False):
        found.write_model("t1", tmp_path / "w", transductive=transductive)
        winner = read_winner(tmp_path / "w")
        bank = BankSpec("test", 3, 3, 2, 3, 6, transductive)
        told = found.evaluate(["t1"], bank)["t1"].scores
        episodes = draw(found.program.tasks, bank, "cpu")
        for task, score in enumerate(told):
            adapted = winner.adapt(episodes.support.x[task], episodes.support.y[task])
            outputs, y = adapted.outputs(episodes.query.x[task]), episodes.query.y[task]
            if images:
                assert (outputs.argmax(-1) == y).double().mean().item() == pytest.approx(score)
            else:
                loss = mean_loss(outputs, y, classification=False)
                assert loss.item() == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_from_a_checkpoint_to_the_same_bits(case, tmp_path):
    whole, first, second = (population(case, n) for n in ([1], [1], []))
    whole.advance(6)
    first.advance(2)
    digest = first.checkpoint("t1", tmp_path / "c")
    second.admit(
        "t1", params_of(case, 1), seed=11, horizon=100, checkpoint=tmp_path / "c", digest=digest
    )
    second.advance(4)
    assert torch.equal(flat(second, "t1"), flat(whole, "t1"))


@pytest.mark.parametrize("case", CASES)
def test_training_helps(case):
    algorithm, fixed = CASES[case]
    made = population_on({"kind": "linear", "k_shot": 5, "q_query": 5}, case, [])
    made.admit("t", {**fixed, **GOOD[algorithm]}, seed=1, horizon=80)
    bank = BankSpec("test", 3, 50, 5, 5, 6)
    before = made.evaluate(["t"], bank)["t"].scores
    made.advance(80)
    after = made.evaluate(["t"], bank)["t"].scores
    assert sum(after) < 0.7 * sum(before)


@pytest.mark.parametrize("case", CASES)
def test_a_traced_meta_iteration_computes_what_the_plain_one_does(case):
    """What a compiler is given; compiling it takes a minute of a core, and is done by night."""
    program = population(case, [], cap=2).program
    lanes = stack(
        [
            fresh_lane(
                program,
                program.kinds.algorithm.complete({**params_of(case, 1), "inner_steps": steps}),
                seed=steps,
                horizon=100,
                device="cpu",
            )
            for steps in (1, 2)
        ]
    )
    drawn, names = draw_tasks(program, lanes, 1).at(0), list(lanes.tensors())

    def function(*tensors: torch.Tensor) -> torch.Tensor:
        return meta_iteration(program, Lanes.of(dict(zip(names, tensors, strict=True))), drawn).phi

    tensors = tuple(lanes.tensors().values())
    expected = function(*tensors)
    traced = make_fx(function)(*tensors)(*tensors)
    assert not torch.equal(expected, lanes.phi)
    assert (traced - expected).abs().max() <= 1e-9 * expected.abs().max()


@pytest.mark.slow
@pytest.mark.night
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("images", [False, True], ids=["mlp", "conv4"])
def test_a_compiled_program_trains_like_the_plain_one(case, images, programs):
    numbers = [0, 1] if images else [0, 1, 2]
    plain, fast = (population(case, numbers, images, cap=2, program_lanes=2) for _ in range(2))
    use_compiled(fast, programs)
    for made in (plain, fast):
        made.advance(5)
    for lane in plain.lanes:
        assert fast.state(lane) == plain.state(lane)
        ours, theirs = flat(fast, lane), flat(plain, lane)
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()
