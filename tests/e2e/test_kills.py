"""Kills in mid-study, for real: the study ends with exactly its trials, each result once."""

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from service.database_url import sqlite_url
from service.db.engine import open_engine, reading
from service.db.schema import migrate
from service.db.tables import Attempt, Event, Report, Study, Trial
from service.wire.views.result import StudyResult
from tests.e2e.conftest import Start
from tests.fakes.processes import DispatcherProcess, kill, runs
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

Scores = dict[tuple[int, int], float]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    """Scores by (trial_number, meta_iteration) of the same study, run without a kill."""
    directory = tmp_path_factory.mktemp("unkilled")
    url = sqlite_url(directory / "metaopt.db").render_as_string()
    migrate.upgrade(url)
    engine = open_engine(url)
    study_id = submit(engine, small_spec())
    dispatcher = DispatcherProcess(url, directory / "data")
    try:
        wait_until(lambda: status(engine, study_id) == "completed", 60, what="the study")
    finally:
        dispatcher.close()
    found = scores(engine, study_id)
    engine.dispose()
    return found


@on_sqlite
def test_a_study_survives_the_death_of_its_workers(
    engine: Engine, start: Start, unkilled: Scores
) -> None:
    study_id = submit(engine, small_spec())
    dispatcher = start(METAOPT_SLOTS="2")
    wait_until(lambda: progress(engine, study_id) > 0, 30, what="a first checkpoint")
    for victim in dispatcher.worker_pids():
        kill(victim)
    wait_until(lambda: "worker_lost" in kinds(engine, study_id), 10, what="a lost worker")
    wait_until(lambda: status(engine, study_id) == "completed", 60, what="the study")
    assert_nothing_lost_or_doubled(engine, study_id)
    assert scores(engine, study_id) == pytest.approx(unkilled, rel=1e-3)


def test_a_study_survives_the_death_of_the_dispatcher(
    engine: Engine, start: Start, unkilled: Scores, tmp_path: Path
) -> None:
    first = start(METAOPT_SLOTS="2")
    wait_until(lambda: "dispatcher_live" in first.log(), 30, what="a live dispatcher")
    second = start(METAOPT_SLOTS="2")
    wait_until(lambda: "standing_by" in second.log(), 30, what="a dispatcher that stands by")
    study_id = submit(engine, small_spec())
    wait_until(lambda: progress(engine, study_id) > 0, 30, what="a first checkpoint")
    workers = first.worker_pids()
    first.kill()
    wait_until(lambda: not any(map(runs, workers)), 5, what="the death of the orphans")
    wait_until(lambda: status(engine, study_id) == "completed", 60, what="the study")
    assert_nothing_lost_or_doubled(engine, study_id)
    assert scores(engine, study_id) == pytest.approx(unkilled, rel=1e-3)
    assert used_attempts(engine, study_id) == 0
    assert '"epoch": 2' in second.log()
    left = (tmp_path / "data" / "checkpoints").glob
    wait_until(lambda: not list(left("*/*")), 10, what="a clean disk, soon after the end")


@on_sqlite
def test_a_drained_dispatcher_leaves_its_trials_to_the_next_one(
    engine: Engine, start: Start, unkilled: Scores
) -> None:
    study_id = submit(engine, small_spec())
    first = start()
    wait_until(lambda: progress(engine, study_id) > 0, 30, what="a first checkpoint")
    assert first.terminate() == 0
    assert status(engine, study_id) == "running"
    assert count(engine, Trial.study_id == study_id, Trial.status == "running") == 0
    assert progress(engine, study_id) > 0
    start()
    wait_until(lambda: status(engine, study_id) == "completed", 60, what="the study")
    assert_nothing_lost_or_doubled(engine, study_id)
    assert scores(engine, study_id) == pytest.approx(unkilled, rel=1e-3)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_study_survives_the_loss_of_its_database_connections(
    engine: Engine, start: Start, unkilled: Scores
) -> None:
    study_id = submit(engine, small_spec())
    start()
    wait_until(lambda: progress(engine, study_id) > 0, 30, what="a first checkpoint")
    cut_connections(engine)
    wait_until(lambda: status(engine, study_id) == "completed", 60, what="the study")
    assert_nothing_lost_or_doubled(engine, study_id)
    assert scores(engine, study_id) == pytest.approx(unkilled, rel=1e-3)


@pytest.mark.night
@pytest.mark.parametrize("seed", range(4))
def test_a_study_survives_death_after_death_at_any_moment(
    engine: Engine, start: Start, unkilled: Scores, seed: int
) -> None:
    chance = random.Random(seed)
    study_id = submit(engine, small_spec())
    for _ in range(10):
        dispatcher, before = start(), len(kinds(engine, study_id))
        later = before + chance.randint(1, 6)  # events after which it dies

        def due(later: int = later) -> bool:
            return len(kinds(engine, study_id)) >= later

        wait_until(due, 60, what="some events")
        dispatcher.kill()
        if status(engine, study_id) == "completed":
            break
    start()
    wait_until(lambda: status(engine, study_id) == "completed", 60, what="the study")
    assert_nothing_lost_or_doubled(engine, study_id)
    assert scores(engine, study_id) == pytest.approx(unkilled, rel=1e-3)
    assert used_attempts(engine, study_id) == 0


@on_sqlite
def test_replicas_survive_the_death_of_the_dispatcher(engine: Engine, start: Start) -> None:
    spec = small_spec(
        search={"sampler": "random", "replicates": 3},
        branches=small_spec().model_dump(mode="json")["branches"][:1],
        budget={"trials": 6, "meta_iterations": 40},
        pruning={"kind": "none"},
    )
    study_id = submit(engine, spec)
    first = start(METAOPT_SLOTS="1")

    def trained() -> int:
        is_replica = Trial.role == "replica", Trial.meta_iteration > 0
        return count(engine, Trial.study_id == study_id, *is_replica)

    wait_until(lambda: trained() > 0, 120, what="a replica with a checkpoint")
    workers = first.worker_pids()
    first.kill()
    wait_until(lambda: not any(map(runs, workers)), 5, what="the death of the orphans")
    start(METAOPT_SLOTS="1")
    wait_until(lambda: status(engine, study_id) == "completed", 120, what="the study")
    with reading(engine) as session:
        query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.trial_number)
        rows = session.scalars(query).all()
        result = StudyResult.model_validate(session.get_one(Study, study_id).result)
        session.expunge_all()
    again = [row for row in rows if row.role == "replica"]
    assert [row.role for row in rows[:3]] == ["search"] * 3
    assert 2 <= len(again) <= 3
    assert {row.meta_iteration for row in rows} == {40}
    assert result.replicas == {"completed": len(again)}
    for one in result.finalists:
        own = [row for row in again if row.source_trial_number == one.trial_number]
        scores = [row.score or 0.0 for row in (rows[one.trial_number], *own)]
        assert one.search.trainings == len(scores)
        assert one.search.score == pytest.approx(sum(scores) / len(scores))


def test_a_database_without_tables_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).parent.mkdir()
    dispatcher = DispatcherProcess(sqlite_url, tmp_path / "data")
    try:
        assert dispatcher.wait() == 2
    finally:
        dispatcher.close()
    assert "metaopt db upgrade" in dispatcher.log()


def assert_nothing_lost_or_doubled(engine: Engine, study_id: str) -> None:
    spec = small_spec()
    with reading(engine) as session:
        query = select(Trial.trial_number, Trial.role, Trial.status)
        rows = session.execute(query.where(Trial.study_id == study_id)).all()
        study = session.get_one(Study, study_id)
        result, looks = StudyResult.model_validate(study.result), study.sealed_looks
        attempts = session.scalars(select(Attempt.outcome)).all()
    search = [row for row in rows if row.role == "search"]
    verdict = [row for row in rows if row.role == "verdict"]
    assert sorted(row.trial_number for row in search) == list(range(spec.budget.trials))
    assert {row.status for row in rows} == {"completed"}
    assert len(verdict) == spec.verdict.finalists * spec.verdict.seeds
    assert "running" not in attempts
    assert count_reports(engine, study_id, "search") == spec.budget.trials * len(spec.rungs())
    assert count_reports(engine, study_id, "verdict") == len(verdict)
    assert kinds(engine, study_id).count("trial_finished") == len(rows)
    assert kinds(engine, study_id).count("study_completed") == 1
    assert [finalist.rank for finalist in result.finalists] == [1, 2]
    assert looks == len(verdict)


def cut_connections(engine: Engine) -> None:
    """Have Postgres close every connection to this database but the one that asks for it."""
    statement = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
    with engine.connect() as connection:
        assert len(connection.execute(text(statement)).all()) > 0


def status(engine: Engine, study_id: str) -> str:
    with reading(engine) as session:
        return session.get_one(Study, study_id).status


def progress(engine: Engine, study_id: str) -> int:
    """Return the meta-iterations that open trials have behind them."""
    query = select(func.coalesce(func.sum(Trial.meta_iteration), 0)).where(
        Trial.study_id == study_id, Trial.status.in_(["queued", "running"])
    )
    with reading(engine) as session:
        return int(session.scalar(query) or 0)


def scores(engine: Engine, study_id: str) -> Scores:
    query = (
        select(Trial.trial_number, Report.meta_iteration, Report.score)
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(Trial.study_id == study_id)
    )
    with reading(engine) as session:
        return {(number, rung): score for number, rung, score in session.execute(query)}


def count(engine: Engine, *where: Any) -> int:
    with reading(engine) as session:
        return int(session.scalar(select(func.count()).select_from(Trial).where(*where)) or 0)


def count_reports(engine: Engine, study_id: str, role: str) -> int:
    query = (
        select(func.count())
        .select_from(Report)
        .join(Trial)
        .where(Trial.study_id == study_id, Trial.role == role)
    )
    with reading(engine) as session:
        return int(session.scalar(query) or 0)


def used_attempts(engine: Engine, study_id: str) -> int:
    with reading(engine) as session:
        return int(
            session.scalar(select(func.sum(Trial.attempts)).where(Trial.study_id == study_id)) or 0
        )


def kinds(engine: Engine, study_id: str) -> list[str]:
    query = select(Event.kind).where(Event.study_id == study_id).order_by(Event.event_id)
    with reading(engine) as session:
        return list(session.scalars(query))
