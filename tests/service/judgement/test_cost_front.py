"""Score against cost, on scores made up so that the answer is known."""

from typing import Any

from metaopt.algorithms.registry import complete
from service.judgement.estimates import SealedRun
from service.judgement.verdict import Beside, SearchTrial, study_result
from service.wire.views.cost_front import CostFront
from tests.fakes.specs import small_spec

NOISE = [0.3, -0.2, 0.1, -0.1, 0.2, -0.3, 0.25, -0.25]
COST = "adaptation_examples"


def run(number: int, source: int | None, mean: float, cost: float, **changes: Any) -> SealedRun:
    scores = [mean + noise * (1 + 0.1 * number) for noise in NOISE]
    fields = {
        "status": "completed",
        "cause": None,
        "score": mean,
        "scores": scores,
        "curve": [5.0, mean],
        "diverged_share": 0.0,
        "device_seconds": 1.0,
        "metrics": {COST: cost},
        **changes,
    }
    return SealedRun(trial_number=number, source_trial_number=source, **fields)


def front(
    *finalists: tuple[float, float], defaults: tuple[float, float] | None = None, **verdict: Any
) -> CostFront | None:
    """That of finalists 0, 1, … with these means and costs; less is better."""
    params = complete("maml", {})
    trials = [
        SearchTrial(i, "maml", "completed", params, mean, 1.0, low=0.0, high=9.0)
        for i, (mean, _) in enumerate(finalists)
    ]
    runs = [run(10 + i, i, mean, cost) for i, (mean, cost) in enumerate(finalists)]
    beside = [Beside("default", "maml", params, [run(20, None, *defaults)])] if defaults else []
    spec = small_spec(verdict=verdict)
    return study_result(spec, trials, runs, beside=beside, counts={}, wall_seconds=1.0).cost_front


def standings(found: CostFront | None) -> dict[str, str]:
    assert found is not None
    return {point.name: point.standing for point in found.points}


def test_nothing_on_the_front_is_beaten_at_no_higher_cost() -> None:
    found = front((1.0, 50.0), (2.0, 5.0), (3.0, 30.0))
    assert standings(found) == {"trial 1": "front", "trial 2": "beaten", "trial 0": "front"}
    assert found is not None and found.metric == COST
    assert [(point.cost, point.score) for point in found.points] == [
        (5.0, 2.0), (30.0, 3.0), (50.0, 1.0),
    ]  # fmt: skip
    assert all(point.low < point.score < point.high for point in found.points)


def test_what_may_be_as_good_is_not_called_beaten() -> None:
    assert standings(front((1.0, 5.0), (1.001, 5.0), (0.5, 9.0)))["trial 1"] == "open"
    assert standings(front((1.0, 5.0), (1.9, 5.0), (0.5, 9.0)))["trial 1"] == "beaten"


def test_what_the_finalists_are_compared_with_is_among_them() -> None:
    found = front((1.0, 50.0), defaults=(2.0, 5.0))
    assert standings(found) == {"the defaults of maml": "front", "trial 0": "front"}
    assert found is not None and found.points[0].trial_number is None


def test_there_is_none_where_nothing_can_be_chosen_by_cost() -> None:
    assert front((1.0, 5.0), (2.0, 5.0)) is None
    assert front((1.0, 5.0)) is None
    assert front((1.0, 5.0), (2.0, 50.0), cost="adaptation_flops") is None  # not measured
