"""The verdict as the command line prints it."""

from typing import Any

import pytest
from sqlalchemy import Engine

from service.db.engine import transaction
from service.db.tables import Study
from tests.fakes.rows import add_study, finish_study, trivial
from tests.fakes.specs import PARAMS, SPEC
from tests.service.cli.conftest import Command

STUDY = "a" * 32
COST = {
    "search_device_seconds": 0.0,
    "fresh_device_seconds": 8.0,
    "search_meta_iterations": 0,
    "fresh_meta_iterations": 180,
}


def estimate(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "stderr": (high - low) / 4, "low": low, "high": high}


def completed(engine: Engine, difference: dict[str, float] | None) -> None:
    with transaction(engine) as session:
        study = add_study(session, sealed_looks=6)
        finish_study(session, study, 0, 1)
        best, second = study.result["finalists"]
        best |= {"search_rank": 2, "optimism_interval": estimate(0.15, 0.05, 0.25)}
        curve = {"search_curve": [3.0, 0.6, 0.4], "own": 1, "chosen": 2}
        best["steps"] = {**curve, "sealed_at_own": 0.65, "sealed_at_chosen": 0.45}
        second |= {"search_rank": 1, "to_best": estimate(0.1, -0.05, 0.25)}
        comparison: dict[str, Any] = {
            "compared_with": "default",
            "branch": "maml",
            "params": PARAMS["maml"],
            "sealed": {**best["sealed"], "score": 0.9} if difference else None,
            "difference": difference,
            "cost": COST,
            "runs": [{"trial_number": 12, "status": "failed", "score": None, "cause": "too large"}],
        }
        beside = trivial("useless", support_mean="not_told_apart")
        study.result = {**study.result, "comparison": comparison, "trivial": beside}


def test_everything_that_was_found_out_is_on_the_page(metaopt: Command, api: Engine) -> None:
    completed(api, estimate(-0.25, -0.4, -0.1))
    said = metaopt("result", STUDY)
    assert said.code == 0
    best, second = said.out.splitlines()[2:4]
    assert "+0.15" in best and "[0.05, 0.25]" in best and best.split()[-2] == "best"
    assert "+0.1" in second and "[-0.05, 0.25]" in second
    assert "over tasks; looked at 6 times" in said.out
    assert (
        "the defaults of maml with inner_lr=0.01 inner_steps=2 order=second: sealed 0.9; "
        "best minus this -0.25 [-0.4, -0.1]: better"
    ) in said.out
    assert (
        "trial 0: best after 2 inner steps on meta-validation; sealed mean 0.45 there, "
        "0.65 after its own 1"
    ) in said.out
    assert (
        "beside trivial predictors: useless: the mean of the support set is as good\n"
        "the mean of the support set: sealed 4; best minus this -3.35 [-3.5, -3.2]: cannot be"
    ) in said.out
    assert "fresh training 12 failed: too large" in said.out


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (estimate(0.25, 0.1, 0.4), "+0.25 [0.1, 0.4]: worse"),
        (estimate(-0.1, -0.3, 0.1), "-0.1 [-0.3, 0.1]: cannot be told apart"),
        (None, "the defaults of maml with inner_lr=0.01 inner_steps=2 order=second: no sealed"),
    ],
)
def test_the_comparison_says_no_more_than_its_interval(
    metaopt: Command, api: Engine, difference: dict[str, float] | None, words: str
) -> None:
    completed(api, difference)
    assert words in metaopt("result", STUDY).out


def test_the_pareto_set_and_what_finalists_cost_are_on_the_page(
    metaopt: Command, api: Engine
) -> None:
    with transaction(api) as session:
        goals = {"objectives": ["score", "adaptation_examples"]}
        bound = {"constraints": {"diverged_share": 0.25}}
        study = add_study(session, spec={**SPEC, **goals, **bound})
        finish_study(session, study, 0)
        (finalist,) = study.result["finalists"]
        finalist["metrics"] = {"adaptation_examples": 20.0, "diverged_share": 0.0}
        finalist["sealed_metrics"] = {"adaptation_examples": 20.0, "diverged_share": 0.5}
        pareto = [
            {
                "trial_number": number,
                "branch": "maml",
                "params": PARAMS["maml"],
                "values": {"score": score, "adaptation_examples": cost},
            }
            for number, score, cost in ((0, 0.5, 20.0), (3, 0.75, 10.0))
        ]
        own = {"pareto": pareto, "constraints": {"diverged_share": 0.25}, "infeasible": 2}
        study.result = {**study.result, **own, **goals}
    said = metaopt("result", STUDY)
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines()]
    assert next(row for row in rows if row[:2] == ["0", "maml"])[-3:] == ["0.5", "20", "yes"]
    assert next(row for row in rows if row[:2] == ["3", "maml"])[-3:] == ["0.75", "10", "no"]
    assert "bounds: diverged_share <= 0.25; 2 of the trials judged exceed one" in said.out
    assert (
        "trial 0: adaptation_examples=20 diverged_share=0 in the search, "
        "adaptation_examples=20 diverged_share=0.5 trained afresh: exceeds diverged_share"
    ) in said.out


def test_scores_are_set_against_costs_in_a_table(metaopt: Command, api: Engine) -> None:
    completed(api, None)
    bounds = {"low": 0.5, "high": 0.9}
    points = [
        {"name": "trial 1", "trial_number": 1, "cost": 5.0, "score": 0.8, "standing": "front"},
        {"name": "trial 0", "trial_number": 0, "cost": 25.0, "score": 0.7, "standing": "front"},
        {"name": "the defaults of maml", "trial_number": None, "cost": 25.0, "score": 0.9,
         "standing": "beaten"},
    ]  # fmt: skip
    named = [{**point, **bounds, "branch": "maml", "algorithm": "maml"} for point in points]
    with transaction(api) as session:
        study = session.get_one(Study, STUDY)
        front = {"metric": "adaptation_examples", "points": named}
        study.result = {**study.result, "cost_front": front}
    said = metaopt("result", STUDY).out
    assert "Score against cost" in said and "adaptation_examples" in said
    (beaten,) = [line for line in said.splitlines() if "beaten by one" in line]
    assert "the defaults of maml" in beaten and "25" in beaten and "0.9 [0.5, 0.9]" in beaten
