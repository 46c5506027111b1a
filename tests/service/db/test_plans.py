"""How SQLite finds the rows of every query: by an index, unless it is said here why not."""

import importlib
import inspect
import pkgutil
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, Engine, event

import service.db
from metaopt.goals import Goals
from metaopt.plugins.described import Needed
from service import database_url as urls
from service.db import retention
from service.db.access.projects import PROJECT
from service.db.dispatcher import Sighting, acquire
from service.db.engine import open_engine, transaction
from service.db.states import StudyStatus, TrialStatus
from service.db.studies import Count
from service.db.tables import (
    DEFAULT_PROJECT,
    Delivery,
    Notified,
    Schedule,
    ScheduleRun,
    Study,
    Trial,
)
from tests.fakes.described import algorithm, needed
from tests.fakes.rows import NOON, add_report, add_study, add_trial

STUDY, TRIAL = "a" * 32, f"{'a' * 8}{0:024d}"

ARGUMENTS: dict[str, list[Any]] = {
    "api_key_id": ["key"],
    "after": [None, 0],
    "bank": ["bank"],
    "banks": [["bank"], [f"bank {number}" for number in range(50)]],
    "because": ["it remembers"],
    "before": [None, (NOON, STUDY)],
    "branch": ["maml"],
    "branches": [["maml"]],
    "columns": [["trial_id"]],
    "configured": [["webhook"]],
    "counts": [[Count(STUDY, "search", "maml", s, 1, 1.0, 1.0)] for s in ("completed", "queued")],
    "current": ["running"],
    "described": [[algorithm()]],
    "digits": ["ab"],
    "data": [[]],
    "dataset": ["sha256:0"],
    "ended_by": ["trials"],
    "epoch": [1],
    "error": ["an error"],
    "event_id": [1],
    "fire_at": [NOON],
    "first": [0],
    "goals": [Goals(maximize=False)],
    "holder": ["holder"],
    "is_dead": [lambda _: True],
    "key": ["key"],
    "kinds": [["study_running"]],
    "lacking": [[], [STUDY]],
    "latest": [NOON],
    "limit": [10],
    "loaded": [[STUDY]],
    "meta_iteration": [60],
    "missing": [[], [1]],
    "most": [9],
    "name": [None, "name"],
    "newest": [9],
    "now": [NOON],
    "one": [Needed(**needed(algorithm()))],
    "place": [Notified(webhook="webhook", since_event_id=0, last_event_id=0)],
    "name_or_id": ["name"],
    "project": ["default"],
    "result": [{}],
    "session_sha256": ["0" * 64],
    "session_sha256s": [["0" * 64]],
    "role": ["search"],
    "roles": [["search"]],
    "schedule": [Schedule(schedule_id=STUDY)],
    "seen": [Sighting(1, "holder", NOON)],
    "scores": [{"ridge": [0.5]}],
    "schedule_id": [STUDY],
    "schedule_ids": [[STUDY]],
    "sha256": ["0" * 64],
    "signatures": [["0" * 64]],
    "slots": [{}],
    "status": [None, "completed"],
    "study_id": [STUDY],
    "study_ids": [[STUDY]],
    "sums": [{"meta_iterations": 1}],
    "table": [Study, Trial, ScheduleRun, Delivery],
    "trial_id": [TRIAL],
    "trial_ids": [[TRIAL]],
    "trial_number": [0],
    "trial_numbers": [[0]],
    "version": [None, 1],
    "wanted": [StudyStatus.PAUSED],
    "warning": ["a warning"],
    "webhook": [None, "webhook"],
    "with_scores": [False],
}
"""What functions are called with, by the names of their parameters: each of these in turn."""

OLD = [
    old_before(NOON)
    for old_before in (
        retention.old_deliveries,
        retention.old_runs,
        retention.old_idempotency_keys,
        retention.old_sessions,
    )
]
OWN: dict[str, list[Any]] = {
    "access.audit.rows_before.before": [None, 9],
    "access.audit.rows_before.project": ["default", None],
    "plugins.rows.of_kinds.kinds": [[("algorithms", "pulled")]],
    "schedules.runs_before.before": [None, NOON],
    "studies.count_queued.before": [(NOON, STUDY)],
    "studies.queued_between.before": [(NOON, STUDY)],
    "studies.queued_between.newest": [(NOON, STUDY)],
    "trials.end_trial.status": [TrialStatus.PRUNED],
    "reports.reports_after.after": [None, (0, 0)],
    **{f"retention.{name}.old": OLD for name in ("are_any", "count_old", "delete_old")},
    **{
        f"retention.{name}.{argument}": values
        for name in (
            "studies_with_events",
            "studies_with_segments",
            "count_events",
            "count_segments",
        )
        for argument, values in {"before": [NOON, NOON], "after": [None, (NOON, STUDY)]}.items()
    },
}
"""Likewise of one function."""

ASKS_NOTHING = ("project_of", "within", "note", "noted")
"""Functions that look at the session alone."""

WRITES_KEYS = (
    "add",
    "append_event",
    "tell_present",
    "record",
    "change_trials",
    "set_attributes",
    "set_study_attributes",
)
"""Functions that add rows or name them by their keys, beside those called `add_…`."""

GROWS = tuple(
    f"mo_{name}"
    for name in (
        "studies", "trials", "attempts", "reports", "asks", "segments", "spending", "events",
        "schedule_runs", "deliveries", "baselines", "weights", "idempotency_keys",
    )
)  # fmt: skip
"""Tables that grow for as long as the service is used; what people make by hand stays small."""

OF_ALL = (
    "backup.files.kept_files", "backup.files.named_data_sets", "deliveries.new_events",
    "optuna.mirrored.all_studies", "optuna.mirrored.fingerprint",
    "optuna.mirrored.studies_with_events_after", "studies.count_by_status", "studies.count_queued",
    "studies.first_queued", "studies.gate_looks_at", "studies.plugins_at_work",
    "studies.queued_between", "studies.running_studies", "retention.",
)  # fmt: skip
"""Queries that no session of a project makes: the dispatcher's, the operator's, and of the line in
which all wait; by how their names begin.
"""

WHY_ALL = {
    "backup.files.named_data_sets": "a backup has all that any study names",
    "baselines.newest_of_each": "keys alone: a page shows all baselines of a project",
    "optuna.mirrored.all_studies": "when the mirror is made anew, and it has no more",
    "studies.count_by_status": "keys alone: metrics say how many there are of everything",
}
"""Queries that read a table as a whole, and why they may."""

WHY_SORTED = {
    "best_trials.best_completed": "the completed trials of some branches of one study",
    "segments.evaluations": "the segments of a program, for a preview or a spec that costs much",
    "study_progress.at_work_or_next": "studies at work; the limit is of the one that waits",
}
"""Queries that sort all that they find to return the first of it, and why that is little."""


class Query(NamedTuple):
    """A function of `service.db` and what it is called with."""

    name: str
    call: Callable[..., Any]
    arguments: dict[str, Any]


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function of `service.db` that is given a session, with its name."""
    for module in pkgutil.walk_packages(service.db.__path__, "service.db."):
        for name, found in vars(importlib.import_module(module.name)).items():
            own = inspect.isfunction(found) and found.__module__ == module.name
            if own and not name.startswith("_") and next(iter(parameters(found)), "") == "session":
                yield f"{module.name.removeprefix('service.db.')}.{name}", found


def parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def queries() -> Iterator[Query]:
    for name, function in functions():
        short = name.rpartition(".")[2]
        if short in (*WRITES_KEYS, *ASKS_NOTHING) or short.startswith("add_"):
            continue
        taken = {
            parameter.name: values_of(name, parameter)
            for parameter in list(parameters(function).values())[1:]
            if parameter.default is parameter.empty
        }
        for turn in range(max(map(len, taken.values()), default=1)):
            arguments = {key: values[turn % len(values)] for key, values in taken.items()}
            yield Query(name, function, arguments)


def values_of(function: str, parameter: inspect.Parameter) -> list[Any]:
    name = parameter.name
    assert name in ARGUMENTS or f"{function}.{name}" in OWN, f"ARGUMENTS lacks {function}({name})"
    values = OWN.get(f"{function}.{name}") or ARGUMENTS[name]
    if "None" in str(parameter.annotation):
        return values
    return [value for value in values if value is not None]


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    path = shutil.copyfile(sqlite_template, tmp_path / "metaopt.db")
    engine = open_engine(urls.sqlite_url(path))
    yield engine
    engine.dispose()


@contextmanager
def statements(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database meanwhile, with its (first) parameters."""
    sent: list[tuple[str, Any]] = []

    def keep(_c: Connection, _k: Any, sql: str, values: Any, _x: Any, many: bool) -> None:
        sent.append((sql, values[0] if many else values))

    event.listen(connection, "before_cursor_execute", keep)
    yield sent
    event.remove(connection, "before_cursor_execute", keep)


def plans(engine: Engine, query: Query) -> Iterator[tuple[str, list[str]]]:
    """The statements of a query, and how each is carried out."""
    with transaction(engine) as session:
        acquire(session, "test", lambda _: True)
        study = add_study(session)
        if query.name.startswith("retention."):
            study.status = "completed"  # else nothing of it may go
        for number, rung in enumerate((60, 60, 180)):  # the last went ahead alone
            add_report(session, add_trial(session, number), rung, 0.5)
        session.flush()
        session.expire_all()
        connection = session.connection()
        with statements(connection) as sent:
            session.info[PROJECT] = None if query.name.startswith(OF_ALL) else DEFAULT_PROJECT
            query.call(session, **query.arguments)
        assert sent, f"{query.name} asks nothing: what does it need to be called with?"
        for sql, values in sent:
            if not sql.startswith("INSERT"):
                found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
                yield sql, [row[3] for row in found]
        session.rollback()


def scanned(plan: Sequence[str]) -> str | None:
    """The growing table that a plan goes through from one end to the other, or a whole project."""
    whole = (step for step in plan if step.startswith("SCAN") or step.endswith("(project=?)"))
    return next((table for step in whole if (table := step.split()[1]) in GROWS), None)


def test_no_query_reads_a_growing_table_as_a_whole(sqlite_engine: Engine) -> None:
    whole, cut_short = set(), set()
    for query in queries():
        for sql, plan in plans(sqlite_engine, query):
            is_sorted = "USE TEMP B-TREE FOR ORDER BY" in plan
            if "LIMIT" in sql and is_sorted and any(table in sql for table in GROWS):
                cut_short.add(query.name)
            if scanned(plan) and ("LIMIT" not in sql or is_sorted):
                whole.add(query.name)
    assert whole == set(WHY_ALL)
    assert cut_short == set(WHY_SORTED)
