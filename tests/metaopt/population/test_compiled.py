"""The compiled program is the plain one, faster: same numbers, same bits after any interruption."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from tests.programs import use_compiled

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.slow

SINUSOID = {"kind": "sinusoid", "k_shot": 4, "q_query": 3}
MLP = {"kind": "mlp", "widths": [6], "activation": "tanh"}
OMNIGLOT = {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 1, "rotations": "task"}
CONV4 = {"kind": "conv4", "filters": 2}
ITERATIONS = 8
CASES = {
    "second order": (SINUSOID, MLP, "maml", {"meta_batch": 3, "order": "second"}),
    "first order": (SINUSOID, MLP, "maml", {"meta_batch": 3, "order": "first"}),
    "reptile": (
        SINUSOID,
        MLP,
        "reptile",
        {"meta_batch": 2, "inner_optimizer": "adam", "schedule": "cosine"},
    ),
    "conv4": (OMNIGLOT, CONV4, "maml", {"meta_batch": 1, "gradient_clamp": 0.5}),
}
# Compiling convolutions takes a minute of a core; whoever makes a program compares it anyway.
BY_NIGHT = [pytest.param(c, marks=[pytest.mark.night] if c == "conv4" else []) for c in CASES]
# The first two programs are also those of test_order.
LANES, CAP = {"conv4": 2}, {"conv4": 1, "first order": 5}


def population(case: str, names: list[str], programs: Path | None) -> Population:
    """Return lanes that differ in every number; "wild" diverges."""
    tasks, model, algorithm, fixed = CASES[case]
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=fixed, step_cap=CAP.get(case, 2),
        test_cap=5,
        dtype="float64",
    )  # fmt: skip
    made = Population(signature, program_lanes=LANES.get(case, 4))
    for name in names:
        made.admit(name, params_of(name, case), seed=seed_of(name), horizon=ITERATIONS)
    if programs is not None:
        use_compiled(made, programs)
    return made


def params_of(name: str, case: str) -> dict:
    fixed, cap = CASES[case][3], CAP.get(case, 2)
    if name == "wild":
        return {**fixed, "inner_lr": 1e3, "inner_steps": min(cap, 2)}
    number = seed_of(name)
    return {**fixed, "inner_lr": 0.01 * (1 + number), "inner_steps": 1 + number % cap}


def seed_of(name: str) -> int:
    return 99 if name == "wild" else int(name[1:])


def weights(made: Population, name: str) -> torch.Tensor:
    return torch.cat([p.flatten() for p in made.weights(name).values()])


@pytest.mark.parametrize("case", BY_NIGHT)
def test_a_compiled_program_trains_like_the_plain_one(case, programs):
    names = ["t0", "t1", "t2", "t3", "t4", "wild", "t5"]  # several chunks, not all full
    plain, fast = population(case, names, None), population(case, names, programs)
    assert fast.compiled and not plain.compiled
    for made in (plain, fast):
        made.advance(ITERATIONS)
    for name in names:
        assert fast.state(name) == plain.state(name)
        ours, theirs = weights(fast, name), weights(plain, name)
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()
    assert plain.state("t0").age == ITERATIONS


@pytest.mark.parametrize("case", BY_NIGHT)
def test_an_interruption_changes_no_bit(case, programs, tmp_path):
    whole = population(case, ["t0", "t1"], programs)
    whole.advance(ITERATIONS)
    first = population(case, ["t0", "t1"], programs)
    first.advance(3)
    second = population(case, [], programs)
    for name in ("t0", "t1"):
        digest = first.checkpoint(name, tmp_path / name)
        second.admit(
            name, params_of(name, case), seed=seed_of(name), horizon=ITERATIONS,
            checkpoint=tmp_path / name, digest=digest,
        )  # fmt: skip
    second.advance(ITERATIONS - 3)
    for name in ("t0", "t1"):
        assert torch.equal(weights(second, name), weights(whole, name))


def test_neighbours_change_no_bit(programs):
    """A program always has the same number of lanes, so a trial alone is a trial among many."""
    alone = population("second order", ["t1"], programs)
    among = population("second order", ["t1", "wild", "t2"], programs)
    for made in (alone, among):
        made.advance(ITERATIONS)
    assert torch.equal(weights(alone, "t1"), weights(among, "t1"))


def test_another_process_loads_the_program_and_gets_the_same_bits(programs):
    here = population("second order", ["t0"], programs)
    here.advance(ITERATIONS)
    code = f"""
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.metaopt.population import test_compiled as case
made = case.population("second order", ["t0"], None)
directory = Path({str(programs)!r})
assert made.program_path(directory).exists()
made.use_compiled(directory)
made.advance(case.ITERATIONS)
print(case.weights(made, "t0").numpy().tobytes().hex())
"""
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True,
        env={**os.environ, "CXX": "/nonexistent", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert output.stdout.strip() == weights(here, "t0").numpy().tobytes().hex()


def test_a_torch_whose_loader_takes_other_arguments_gets_the_same_bits(programs, monkeypatch):
    known = population("second order", ["t0"], programs)
    real, refusals = torch._C._aoti.AOTIModelPackageLoader, [TypeError("other arguments")]

    class Loader:
        load_metadata_from_package = real.load_metadata_from_package

        def __new__(cls, *arguments):
            if refusals:
                raise refusals.pop()
            return real(*arguments)

    monkeypatch.setattr(torch._C._aoti, "AOTIModelPackageLoader", Loader)
    other = population("second order", ["t0"], programs)
    assert other.compiled and not refusals
    for made in (known, other):
        made.advance(ITERATIONS)
    assert torch.equal(weights(known, "t0"), weights(other, "t0"))


def test_other_shapes_are_other_programs(programs):
    one = population("second order", ["t0"], None)
    tasks, model, algorithm, fixed = CASES["second order"]
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=fixed, step_cap=3, dtype="float64"
    )
    others = [Population(one.signature, program_lanes=8), Population(signature, program_lanes=4)]
    paths = {made.program_path(programs) for made in (one, *others)}
    assert len(paths) == 3
