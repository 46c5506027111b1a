"""Cost metrics by name: ours, and one that is added."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from metaopt.algorithms.registry import complete
from metaopt.costs.metric import BankScores, Bound, Configuration, CostMetric
from metaopt.costs.registry import (
    COSTS,
    costs_of_configuration,
    costs_of_scores,
    measured_costs,
)
from metaopt.errors import InvalidCost
from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from tests.fakes.toy_cost import STATE_BYTES

PAGE = Path(__file__).parents[3] / "docs" / "objectives.md"


def population() -> Population:
    params = complete("maml", {})
    signature = signature_of(
        tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        model={"kind": "mlp", "widths": [8]},
        algorithm="maml",
        params=params,
        step_cap=5,
        test_cap=5,
    )
    population = Population(signature)
    for lane in ("0", "1"):
        population.admit(lane, params, seed=1, horizon=10)
    return population


def test_costs_are_known_from_parameters_or_scores_or_measured() -> None:
    configuration = Configuration(
        {},
        test_steps=3,
        support_examples=5,
        tasks={},
        model={},
        algorithm="proto_maml",
        support_passes=4,
    )
    assert costs_of_configuration(configuration) == {"adaptation_examples": 20.0}
    assert costs_of_scores(BankScores([1.0, 2.0], 0.5)) == {"diverged_share": 0.5}
    measured = [cost.name for cost in COSTS.kinds() if cost.measure is not None]
    assert measured == ["adaptation_flops", "adaptation_milliseconds", "peak_memory_bytes"]


def test_a_cost_is_known_in_one_way() -> None:
    with pytest.raises(InvalidCost, match="'nothing' must have exactly one of of_configuration"):
        CostMetric("nothing", "nothing", Bound(int))


def test_what_is_not_measured_or_not_there_is_refused() -> None:
    bank = BankSpec("validation", 1, 10, 5, 5, 5)
    lanes = population()
    with pytest.raises(InvalidCost, match="'diverged_share' follows from parameters or scores"):
        lanes.costs("0", ["diverged_share"], bank, float)
    with pytest.raises(InvalidCost, match="cost metric must be one of adaptation_examples, .* got"):
        lanes.costs("0", ["state_bytes"], bank, float)


def test_a_cost_of_somebody_else_is_measured_by_a_population() -> None:
    bank = BankSpec("validation", 1, 10, 5, 5, 5)
    lanes = population()
    with COSTS.including(STATE_BYTES):
        costs = lanes.costs("1", ["state_bytes", "peak_memory_bytes"], bank, float)
    assert 0 < costs["state_bytes"] < costs["peak_memory_bytes"]


def test_nothing_is_measured_that_nobody_names() -> None:
    assert measured_costs(None, [], float) == {}  # type: ignore[arg-type]


def test_declarations_load_no_torch() -> None:
    program = (
        "import sys; from metaopt.costs.registry import COSTS; COSTS.kinds();"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_page_describes_every_cost_and_what_it_may_be_used_for() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \| (.*) \|$", PAGE.read_text(), re.M)
    described = {name: rest for name, *rest in table if name != "score"}
    assert described == {
        cost.name: [cost.doc, "yes" if cost.objective else "no", "yes", "yes"]
        for cost in COSTS.kinds()
    }
