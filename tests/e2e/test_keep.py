"""`evaluation.keep: best` for real: curves that turn, workers killed between rungs, a verdict.

Each figure is compared with a training without the service, which looks at every rung by itself.
"""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.winner import read_winner
from service.db.engine import reading
from service.db.tables import Report, Study, Trial, Weights
from service.planning.signatures import task_bank, trial_signature
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult
from service.wire.words.judgement import verdict_sentences
from tests.e2e.conftest import Start
from tests.e2e.test_kills import status
from tests.fakes.processes import DispatcherProcess, kill
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

RUNGS = [20, 40, 60, 80, 100, 120]
# With so high an outer rate curves turn.
SPACE = {"inner_lr": 0.02, "outer_lr": 0.2, "meta_batch": 4}
SPEC = small_spec(
    branches=[{"algorithm": "maml", "space": SPACE}],
    pruning={"kind": "none", "rungs": RUNGS[:-1]},
    budget={"trials": 1, "meta_iterations": RUNGS[-1]},
    evaluation={"tasks": 20, "curve_steps": 2, "keep": "best"},
    verdict={"finalists": 1, "seeds": 2, "tasks": 20, "compare": "none"},
)
ONE_LANE = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never", "METAOPT_SEGMENT_SECONDS": "0.03"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def test_the_best_of_the_rungs_is_judged_however_often_its_worker_is_killed(
    engine: Engine, start: Start
) -> None:
    dispatcher = start(**ONE_LANE)
    study_id = submit(engine, SPEC)
    for number in (0, 1):  # in the search, and trained afresh
        kill_past_its_best(engine, dispatcher, study_id, number)
    wait_until(lambda: status(engine, study_id) == "completed", 120, what="the study")
    search, *fresh = trials(engine, study_id)
    best = check_search(engine, search)
    kept = [check_fresh(engine, trial) for trial in fresh]
    assert min(best, *kept) < RUNGS[-1], "a curve was to turn"
    result, weights = found(engine, study_id)
    (finalist,) = result.finalists
    assert result.keep == "best" and [run.kept_at for run in finalist.runs] == kept
    assert read_winner(weights).card.meta_iterations == kept[0]
    told = " ".join(verdict_sentences(SPEC, result))
    assert f"{kept[0]} and {kept[1]} trained afresh" in told and "the more optimistic" in told


def kill_past_its_best(
    engine: Engine, dispatcher: DispatcherProcess, study_id: str, number: int
) -> None:
    """Kill the worker of a trial between two rungs, once it has kept something."""

    def further() -> bool:
        there = trials(engine, study_id)
        return len(there) > number and there[number].meta_iteration > 60

    wait_until(further, 120, what="a checkpoint past some rungs")
    (worker,) = dispatcher.workers()
    kill(worker)
    wait_until(lambda: worker not in dispatcher.workers(), 30, what="another worker")


def check_search(engine: Engine, trial: Trial) -> int:
    """At each rung it has the scores of the best so far, and says which that is; return that."""
    models = by_hand(trial, on=task_bank(SPEC, "validation", 2))
    losses, reported = {age: mean(scores) for age, scores in models.items()}, reports(engine, trial)
    assert list(reported) == RUNGS
    for rung, report in reported.items():
        best = min((age for age in RUNGS if age <= rung), key=losses.__getitem__)
        assert report.kept_at == best
        assert report.scores == pytest.approx(models[best], rel=1e-5)
        assert report.latest_score == pytest.approx(losses[rung], rel=1e-5)
    return best


def check_fresh(engine: Engine, trial: Trial) -> int:
    """It has the sealed scores of what meta-validation chose; return which that is."""
    validation, sealed = (task_bank(SPEC, bank, 2) for bank in ("validation", "sealed"))
    losses = {age: mean(scores) for age, scores in by_hand(trial, on=validation).items()}
    best = min(RUNGS, key=losses.__getitem__)
    (report,) = reports(engine, trial).values()
    assert (report.meta_iteration, report.kept_at) == (RUNGS[-1], best)
    assert report.scores == pytest.approx(by_hand(trial, on=sealed)[best], rel=1e-5)
    return best


def by_hand(trial: Trial, *, on: BankSpec) -> dict[int, list[float]]:
    """The scores of a trial's model of each rung, trained without the service."""
    branch, scores = SPEC.branches[0], {}
    made = Population(trial_signature(SPEC, branch, trial.params))
    made.admit("t", trial.params, seed=trial.seed, horizon=RUNGS[-1])
    for rung in RUNGS:
        made.advance(20)
        scores[rung] = made.evaluate(["t"], on)["t"].scores
    return scores


def mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)


def trials(engine: Engine, study_id: str) -> list[Trial]:
    query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.trial_number)
    return _all(engine, query)


def reports(engine: Engine, trial: Trial) -> dict[int, Report]:
    query = select(Report).where(Report.trial_id == trial.trial_id)
    found = _all(engine, query.order_by(Report.meta_iteration))
    return {report.meta_iteration: report for report in found}


def _all(engine: Engine, query: Any) -> list[Any]:
    with reading(engine) as session:
        found = list(session.scalars(query))
        session.expunge_all()
    return found


def found(engine: Engine, study_id: str) -> tuple[StudyResult, bytes]:
    with reading(engine) as session:
        row = session.get_one(Study, study_id)
        assert StudySpec.model_validate(row.spec).evaluation.keep == "best"
        result = StudyResult.model_validate(row.result)
        (weights,) = session.scalars(select(Weights.content))
        return result, weights
