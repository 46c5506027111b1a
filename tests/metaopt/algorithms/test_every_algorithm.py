"""What every algorithm of the registry keeps to, by whatever rule it learns."""

import math

import pytest
import torch

from metaopt import BankSpec, evaluate, train
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from service.wire.spec.refusals import parse_spec
from tests.fakes.specs import LEAST

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
OMNIGLOT = {"kind": "omniglot", "n_way": 3, "k_shot": 1, "q_query": 2, "split": "vinyals"}
MLP, CONV4 = {"kind": "mlp", "widths": [8]}, {"kind": "conv4", "filters": 2}

pytestmark = pytest.mark.parametrize("name", ALGORITHMS.names())


def problem_of(name: str) -> tuple[dict, dict]:
    """Tasks that the algorithm can do, numbers if it can, and a model for them."""
    return (SINUSOID, MLP) if "numbers" in ALGORITHMS.get(name).targets else (OMNIGLOT, CONV4)


def params_of(name: str) -> dict:
    """Its defaults, with few and short steps and an outer optimizer that has moments."""
    own = ALGORITHMS.get(name).parameters()
    least = {"meta_batch": 2, "inner_steps": 2, "test_steps": 2, "outer_optimizer": "adam"}
    return {option: value for option, value in least.items() if option in own}


def population(name: str) -> Population:
    tasks, model = problem_of(name)
    return Population(
        signature_of(
            tasks=tasks, model=model, algorithm=name, params=params_of(name), step_cap=2,
            test_cap=2, dtype="float64",
        )
    )  # fmt: skip


def test_it_goes_on_from_a_checkpoint_to_the_same_bits(name, tmp_path):
    whole, first, second = (population(name) for _ in range(3))
    trial = {"params": params_of(name), "seed": 7, "horizon": 5}
    for made in (whole, first):
        made.admit("t", **trial)
    whole.advance(5)
    first.advance(2)
    digest = first.checkpoint("t", tmp_path / "c")
    second.admit("t", **trial, checkpoint=tmp_path / "c", digest=digest)
    second.advance(3)
    assert second.state("t") == whole.state("t")
    trained, fresh = whole.weights("t"), population(name)
    fresh.admit("t", **trial)
    assert all(torch.equal(w, trained[n]) for n, w in second.weights("t").items())
    moved = any(not torch.equal(w, trained[n]) for n, w in fresh.weights("t").items())
    assert moved == (name != "scratch")  # which learns nothing before it sees a task


def test_a_notebook_trains_and_judges_it(name):
    tasks, model = problem_of(name)
    trained = train(name, tasks=tasks, model=model, params=params_of(name), meta_iterations=2)
    bank = BankSpec("test", seed=0, tasks=3, k_shot=1, q_query=2, steps=2)
    [found] = evaluate(trained, bank)
    assert len(found.scores) == 3 and all(math.isfinite(score) for score in found.scores)


def test_a_study_may_search_it_in_the_ranges_that_it_names(name):
    tasks, model = problem_of(name)
    own = dict(ALGORITHMS.get(name).parameters())
    if tasks == SINUSOID:
        own.pop("train_ways", None)  # there are no classes to take others of
    ranges = {n: {"low": p.low, "high": p.high} for n, p in own.items() if p.low < p.high}
    branch = {"algorithm": name, "space": ranges}
    spec = parse_spec({**LEAST, "tasks": tasks, "model": model, "branches": [branch]})
    found = spec.branches[0].space
    assert {n: (found[n].low, found[n].high) for n in ranges} == {
        n: (p.low, p.high) for n, p in own.items() if n in ranges
    }
    assert ranges or not any(p.searched for p in own.values())
