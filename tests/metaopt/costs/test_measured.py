"""Costs of a trial by itself."""

import itertools

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from metaopt.algorithms.registry import complete
from metaopt.costs.kinds.adaptation_milliseconds import REPEATS
from metaopt.costs.registry import COSTS
from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

MEASURED = [cost.name for cost in COSTS.kinds() if cost.measure is not None]
TASKS = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
MODEL = {"kind": "mlp", "widths": [8]}
BANK = BankSpec("validation", 1, 10, 5, 5, 4)


def population(algorithm="maml", lanes=1, **params):
    full = complete(algorithm, params)
    signature = signature_of(
        tasks=TASKS, model=MODEL, algorithm=algorithm, params=full, step_cap=4, test_cap=4
    )
    made = Population(signature)
    for lane in range(lanes):
        made.admit(str(lane), full, seed=lane, horizon=10)
    return made


def peak(made, lane="0"):
    return made.costs(lane, ["peak_memory_bytes"], BANK, float)["peak_memory_bytes"]


def test_memory_is_a_trial_s_own_whatever_its_neighbours():
    alone, crowd = population(), population(lanes=5)
    assert peak(alone) == peak(crowd) == peak(crowd, "4") > 0
    assert peak(alone) == peak(alone)


def test_memory_follows_what_a_meta_iteration_keeps():
    base = peak(population(meta_batch=4))
    assert peak(population(meta_batch=16)) > 3 * base
    assert peak(population(meta_batch=4, order="first")) < base
    assert peak(population("reptile", meta_batch=4, inner_steps=4)) > 0


def test_memory_is_at_least_the_lane_s_state():
    made = population(meta_batch=1)
    lane = made._stacked()
    held = sum(t.numel() * t.element_size() for t in lane.tensors().values())
    assert peak(made) > held


def test_time_is_the_least_of_repeats_in_milliseconds():
    durations = [0.5, 0.25, 0.5, 0.75, 0.5]
    assert len(durations) == REPEATS
    ticks = itertools.chain.from_iterable((10.0 * i, 10.0 * i + d) for i, d in enumerate(durations))
    made = population(inner_steps=3)
    found = made.costs("0", MEASURED, BANK, lambda: next(ticks))
    assert found["adaptation_milliseconds"] == 250.0
    assert set(found) == {"adaptation_milliseconds", "peak_memory_bytes"}


def test_measuring_changes_no_lane():
    measured, other = population(lanes=2), population(lanes=2)
    for made in (measured, other):
        made.advance(2)
    measured.costs("1", MEASURED, BANK, float)
    for made in (measured, other):
        made.advance(2)
    one, two = measured.weights("1"), other.weights("1")
    assert all((one[name] == two[name]).all() for name in one)


@pytest.mark.parametrize("steps", [1, 4])
def test_time_grows_with_the_steps_that_are_taken(steps):
    # The clock counts operations instead of seconds.

    class Count(TorchDispatchMode):
        done = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            Count.done += 1
            return func(*args, **(kwargs or {}))

    def took(n):
        with Count():
            made = population(inner_steps=n)
            return made.costs("0", ["adaptation_milliseconds"], BANK, lambda: Count.done)

    ratio = took(steps)["adaptation_milliseconds"] / took(2)["adaptation_milliseconds"]
    assert ratio == pytest.approx(steps / 2, rel=0.35)
