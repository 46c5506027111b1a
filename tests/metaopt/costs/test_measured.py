"""Costs of a trial by itself."""

import itertools
import time

import pytest
import torch
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
    assert set(found) == set(MEASURED)


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


IMAGES = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 2}
CONV4 = {"kind": "conv4", "filters": 4}


def flops(algorithm, **params):
    full = complete(algorithm, params)
    signature = signature_of(
        tasks=IMAGES, model=CONV4, algorithm=algorithm, params=full, step_cap=5, test_cap=5
    )
    made = Population(signature)
    made.admit("0", full, seed=0, horizon=10)
    bank = BankSpec("validation", 1, 10, 1, 2, 5)
    return made.costs("0", ["adaptation_flops"], bank, float)["adaptation_flops"]


def test_operations_rank_the_family_by_what_an_adaptation_takes():
    one, five = flops("maml", inner_steps=1), flops("maml", inner_steps=5)
    nearest, closed = flops("protonet"), flops("r2d2")
    head, heads = flops("anil", inner_steps=1), flops("anil", inner_steps=5)
    assert flops("protonet") == nearest  # exact
    assert nearest < one < five
    assert nearest < closed < one  # a small linear system more
    assert head < one and heads < five
    # A step of the head alone is a pass forward, as a prototype is: their last layers differ.
    assert head == pytest.approx(nearest, rel=0.1)
    # Seven examples embedded, two of them queries; a step goes forward and about twice that back.
    assert one / nearest == pytest.approx((5 * 3 + 2) / 7, rel=0.2)


def test_what_has_no_inner_loop_takes_time_too():
    # The clock counts operations instead of seconds: of an adaptation, not of drawing its task.

    class Count(TorchDispatchMode):
        done = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            Count.done += 1
            return func(*args, **(kwargs or {}))

    with Count():
        took = population("cnp").costs("0", MEASURED[1:2], BANK, lambda: Count.done)
    assert took["adaptation_milliseconds"] > 10_000  # more than ten operations


class Net(torch.nn.Module):
    """Somebody's, with batch norm: two queries have statistics, one by itself has none."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Linear(1, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.head = torch.nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.norm(self.body(x))))


def test_somebody_s_module_has_every_cost_too():
    full = complete("maml", {"inner_steps": 1})
    signature = signature_of(
        tasks=TASKS, model={"kind": "own"}, algorithm="maml", params=full, step_cap=4, test_cap=4
    )
    made = Population(signature, model=Net)
    made.admit("0", full, seed=0, horizon=10)
    found = made.costs("0", MEASURED, BANK, time.perf_counter)
    # Each pair of units is multiplied and added: forward for 5 examples and for 2 queries, back for
    # the weights, and once more from the head to the body.
    pairs = 8 + 8
    assert found["adaptation_flops"] == 2 * (5 * pairs + 5 * pairs + 5 * 8 + 2 * pairs)
    assert found["adaptation_milliseconds"] > 0
