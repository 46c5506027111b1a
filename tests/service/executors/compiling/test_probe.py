"""What lanes cost is measured of every algorithm."""

from typing import Any

import pytest

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from service.executors.compiling import probe

MLP = {"kind": "mlp", "widths": [4]}
TASKS: dict[str, dict[str, Any]] = {
    "numbers": {"kind": "sinusoid", "k_shot": 2, "q_query": 2},
    "classes": {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 1},
    "actions": {"kind": "navigation", "k_shot": 2, "q_query": 2, "horizon": 2},
}


@pytest.mark.parametrize(
    ("name", "target"),
    [(kind.name, target) for kind in ALGORITHMS.kinds() for target in kind.targets],
)
def test_every_algorithm_is_measured_on_all_tasks_that_it_can_do(name: str, target: str) -> None:
    signature = signature_of(
        tasks=TASKS[target], model=MLP, algorithm=name, params={}, step_cap=1, test_cap=1
    )
    population = Population(signature)
    probe.fill(population, 2)
    population.advance(1)
    assert [population.state(lane).age for lane in population.lanes] == [1, 1]


@pytest.mark.parametrize(("disturbed", "lane_chunk"), [(1, 8), (2, 2)])
def test_one_measurement_that_was_disturbed_does_not_decide_how_many_lanes_pay(
    monkeypatch: pytest.MonkeyPatch, disturbed: int, lane_chunk: int
) -> None:
    costs = {1: [8.0], 2: [4.0], 4: [9.0] * disturbed + [2.0], 8: [1.0], 16: [1.0, 1.0]}
    monkeypatch.setattr(probe, "_measure", lambda *given: (costs[given[2]].pop(0), 0))
    signature = signature_of(
        tasks=TASKS["numbers"], model=MLP, algorithm="maml", params={}, step_cap=1, test_cap=1
    )
    assert probe.probe(signature, "cpu").lane_chunk == lane_chunk
