"""The best trial of a branch so far: the rule in SQL, held to the one in plain Python."""

from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from service.db.best_trials import best_completed
from service.db.engine import reading, transaction
from service.db.tables import Study
from service.operations.lookup import show_study
from service.operations.report import read_rows
from service.operations.views import study_views
from service.report.standing import OUT, ranked
from service.wire.spec.study import StudySpec
from service.wire.views.studies import BestTrial
from tests.fakes.rows import add_report, add_study, add_trial, end_trial
from tests.fakes.specs import SPEC

STUDY = "a" * 32
RUNGS = (10, 30, 90)
BOUNDS = {"adaptation_examples": 10, "diverged_share": 0.1}
COSTS = {"adaptation_examples": (5.0, 10.0, 12.0, 30.0), "diverged_share": (0.0, 0.1, 0.2, 1.0)}


def scored(session: Session, number: int, *scores: float, status: str = "running", **changes: Any):
    """Add a trial of the study with scores at its first rungs."""
    trial = add_trial(session, number, branch=changes.pop("branch", "maml"), **changes)
    for rung, score in zip(RUNGS, scores, strict=False):
        add_report(session, trial, rung, score)
    if status != trial.status:
        end_trial(session, trial, status)
    return trial


def best(engine: Engine, branch: str = "maml") -> BestTrial:
    with reading(engine) as session:
        found = show_study(session, STUDY).branches[branch].best
    assert found is not None
    return found


def test_trials_at_one_rung_are_ranked_by_their_scores_there(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        for number, score in enumerate((1.560, 1.353, 1.315, 0.898)):
            scored(session, number, 4.0, score).meta_iteration = 80 - number  # between two rungs
    assert (best(engine).trial_number, best(engine).rung, best(engine).score) == (3, 30, 0.898)
    assert best(engine).meta_iteration == 77


def test_who_went_ahead_alone_is_compared_where_the_others_are(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        scored(session, 0, 2.0, 0.5)
        scored(session, 2, 1.0, status="pruned")
        scored(session, 4, 3.0)
    assert (best(engine).trial_number, best(engine).rung, best(engine).score) == (2, 10, 1.0)
    with transaction(engine) as session:
        scored(session, 6, 1.5, 0.6)  # a second one at the further rung: now that counts
    assert (best(engine).trial_number, best(engine).rung, best(engine).score) == (0, 30, 0.5)


def test_the_first_trial_to_be_scored_needs_no_other(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        scored(session, 0, 2.0, 1.5)
        scored(session, 2)
    assert (best(engine).trial_number, best(engine).rung) == (0, 30)


def test_a_completed_trial_comes_before_any_other(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        scored(session, 0, 3.0, 3.0, 3.0, status="completed")
        scored(session, 2, 0.1, 0.1)
    assert (best(engine).trial_number, best(engine).rung, best(engine).score) == (0, 90, 3.0)


@pytest.mark.parametrize("status", OUT)
def test_who_diverged_or_failed_neither_wins_nor_makes_a_rung_common(
    engine: Engine, status: str
) -> None:
    with transaction(engine) as session:
        add_study(session)
        scored(session, 0, 0.1, 0.1, status=status)
        scored(session, 2, 2.0, 2.0)
        scored(session, 4, 1.0)
    assert (best(engine).trial_number, best(engine).rung) == (4, 10)


def test_a_cancelled_study_still_names_its_best(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session, status="cancelled")
        scored(session, 0, 2.0, status="cancelled")
        scored(session, 2, 1.0, status="cancelled")
    assert best(engine).trial_number == 2


def test_a_trial_that_begins_again_keeps_its_rung(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        scored(session, 0, 1.0, 1.0).meta_iteration = 0  # its checkpoint was lost
        scored(session, 2, 2.0, 2.0)
    assert (best(engine).trial_number, best(engine).rung) == (0, 30)


def test_only_reports_of_who_went_ahead_are_read(engine: Engine) -> None:
    statements: list[str] = []
    with transaction(engine) as session:
        add_study(session)
        for number in range(3):
            scored(session, number, 2.0, 1.0 + number)
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert (best(engine).trial_number, best(engine).rung) == (0, 30)
    assert not any("mo_reports" in sql for sql in statements)
    with transaction(engine) as session:
        scored(session, 3, 2.0, 0.5, 0.25)
    assert (best(engine).trial_number, best(engine).rung, best(engine).score) == (3, 30, 0.5)
    assert any("mo_reports" in sql for sql in statements)


@pytest.mark.parametrize("ended", [True, False])
def test_who_keeps_the_constraints_comes_first(engine: Engine, ended: bool) -> None:
    scores = (1.0, 1.0, 1.0) if ended else (1.0,)
    status = "completed" if ended else "running"
    with transaction(engine) as session:
        add_study(session, spec={**SPEC, "constraints": {"adaptation_examples": 10}})
        for number, examples in ((0, 40), (2, 11), (4, 10), (6, 5)):
            worse = [score + number for score in scores]
            metrics = {"adaptation_examples": float(examples)}
            scored(session, number, *worse, status=status, metrics=metrics)
    assert best(engine).trial_number == 4
    with transaction(engine) as session:
        goals = StudySpec.model_validate(session.get_one(Study, STUDY).spec).goals()
        found = best_completed(session, STUDY, ["maml"], goals=goals, limit=9)
    assert [trial.trial_number for trial in found] == ([4, 6, 2, 0] if ended else [])


def random_spec(random: Random) -> dict[str, Any]:
    changes = random.choice(
        [
            {},
            {"constraints": BOUNDS},
            {"objectives": ["score", "adaptation_examples"]},
            {"pruning": {"kind": "asha", "rungs": [10, 30]}},
        ]
    )
    tasks = random.choice([SPEC["tasks"], {"kind": "omniglot"}])
    return {**SPEC, "tasks": tasks, **changes}


def add_random_study(session: Session, study_id: str, random: Random) -> None:
    """Add a study of two branches: trials anywhere on their way, many of equal scores."""
    add_study(session, study_id, spec=random_spec(random))
    lengths = {"maml": random.choice([1, 2, 3]), "reptile": random.choice([0, 1, 2, 3])}
    for number in range(random.randrange(12)):
        branch = random.choice(list(lengths))
        rungs = random.randint(0, lengths[branch])
        metrics = {name: random.choice(costs) for name, costs in COSTS.items()}
        trial = scored(
            session, number, *(random.choice([0.5, 0.25, 1 / 3, 0.75]) for _ in range(rungs)),
            study_id=study_id, branch=branch, metrics=metrics if random.random() < 0.9 else None,
        )  # fmt: skip
        ends = ["diverged", "failed", "cancelled", *(["pruned"] * 3 if rungs else [])]
        end = random.choice(["running", "queued", *ends])
        if rungs == len(RUNGS):
            end = "completed"
        elif end == "running":
            trial.meta_iteration += random.randrange(10)
        if end in ("running", "queued"):
            trial.status = end
        else:
            end_trial(session, trial, end)


@pytest.mark.parametrize("seed", range(4))
def test_sql_and_plain_python_name_the_same_trial(engine: Engine, seed: int) -> None:
    random = Random(seed)
    ids = [f"{number:08d}" * 4 for number in range(25)]
    with transaction(engine) as session:
        for study_id in ids:
            add_random_study(session, study_id, random)
    with reading(engine) as session:
        views = study_views(session, [session.get_one(Study, study_id) for study_id in ids])
        every = {view.study_id: read_rows(session, view.study_id) for view in views}
    compared = 0
    for view in views:
        rows = every[view.study_id]
        by_number = {trial.trial_number: trial for trial in rows.trials}
        order = [by_number[n] for n in ranked(rows.trials, rows.points, view.spec.goals())]
        for name, branch in view.branches.items():
            own = [trial for trial in order if trial.branch == name and trial.status not in OUT]
            first = own[0].trial_number if own else None
            assert (branch.best and branch.best.trial_number) == first
            if branch.best:
                points = {p.meta_iteration: p.score for p in rows.points[branch.best.trial_number]}
                assert points[branch.best.rung] == branch.best.score
                compared += 1
    assert compared > 20


def test_a_list_of_studies_asks_as_little_as_one(engine: Engine) -> None:
    ids = [f"{number:08d}" * 4 for number in range(6)]
    with transaction(engine) as session:
        for study_id in ids:
            add_study(session, study_id)
            scored(session, 0, 2.0, study_id=study_id)
            scored(session, 1, 2.0, 2.0, 2.0, status="completed", study_id=study_id)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    with reading(engine) as session:
        rows = [session.get_one(Study, study_id) for study_id in ids]
        statements.clear()
        study_views(session, rows[:1])
        of_one = len(statements)
        study_views(session, rows)
    assert len(statements) == 2 * of_one
