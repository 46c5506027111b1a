"""Exports: trials, reports and scores by task of a study, as bytes that are made as they go.

    rows of the database ──page by page──▶ records ──▶ CSV | JSON | Parquet

Each page is read by a transaction of its own: a slow reader holds none open.  What a page has
shown does not change, for reports are written once; the status of a trial may, while it runs.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from metaopt.algorithms.registry import parameters
from service.db.reports import reports_after
from service.db.studies import trials_after
from service.db.tables import Report, Study, Trial
from service.operations.lookup import get_study
from service.planning.plan import Plan
from service.plugins.stored import spec_of
from service.report.pages.tables import Column, Record
from service.wire.spec.study import StudySpec
from service.wire.views.export import Format, What, file_stem

PAGE_ROWS = 500
PARAMS = "params_"

Read = Callable[[], AbstractContextManager[Session]]

_TRIAL = {
    "trial_number": "int", "role": "text", "branch": "text", "status": "text",
    "meta_iteration": "int", "score": "float", "score_stderr": "float", "diverged_at": "int",
    "cause": "text", "attempts": "int", "device_seconds": "float", "seed": "int",
    "source_trial_number": "int", "created_at": "instant", "started_at": "instant",
    "finished_at": "instant",
}  # fmt: skip
_ALGORITHM = {"algorithm": "text"}  # of its branch
_OF_TRIAL = {"trial_number": "int", "role": "text", "branch": "text"}
_REPORT = {
    "meta_iteration": "int", "score": "float", "stderr": "float", "low": "float", "high": "float",
    "median": "float", "trimmed_mean": "float", "standard_deviation": "float",
    "diverged_share": "float", "transductive": "bool", "device_seconds": "float", "attempt": "int",
    "created_at": "instant", "kept_at": "int", "latest_score": "float",
}  # fmt: skip
_TASKS = {"tasks": "int"}  # that the score is from
_SCORE = {"trial_number": "int", "meta_iteration": "int", "task": "int", "score": "float"}


class Table(NamedTuple):
    """What an export holds: its columns, its records, and a name for the file."""

    columns: list[Column]
    records: Iterator[Record]
    file_name: str


def export_table(read: Read, study_id: str, what: What, file_format: Format) -> Table:
    """The study's table; its records are read as they are taken.

    Args:
        read: Opens a session that reads; called once for each page.
        study_id: The study.
        what: `trials` has a record for each trial, `reports` one for each rung of a trial,
            `scores` one for each task of a report.
        file_format: For the file's name.

    Raises:
        StudyNotFound: There is none.
    """
    with read() as session:
        study = get_study(session, study_id)
        columns, records = _MAKERS[what](read, study)
        return Table(columns, records, f"{file_stem(study.name)}-{what}.{file_format}")


def _trials(read: Read, study: Study) -> tuple[list[Column], Iterator[Record]]:
    study_id = study.study_id
    spec = spec_of(study)
    kinds = _param_kinds(spec)
    algorithms = {branch.name: branch.algorithm for branch in spec.branches}
    columns = _columns({**_TRIAL, **_ALGORITHM}) + [
        Column(PARAMS + name, kind) for name, kind in kinds.items()
    ]

    def records() -> Iterator[Record]:
        after: int | None = None
        while True:
            with read() as session:
                page = trials_after(
                    session, study_id, after, status=None, role=None, limit=PAGE_ROWS
                )
                session.expunge_all()
            yield from (_trial(trial, algorithms, list(kinds)) for trial in page)
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].trial_number

    return columns, records()


def _trial(trial: Trial, algorithms: Mapping[str, str], names: list[str]) -> Record:
    own = (getattr(trial, name) for name in _TRIAL)
    return [*own, algorithms[trial.branch], *(trial.params.get(name) for name in names)]


def _reports(read: Read, study: Study) -> tuple[list[Column], Iterator[Record]]:
    plan = Plan.of(spec_of(study))

    def record(trial: Trial, report: Report) -> Record:
        values = [*(getattr(trial, n) for n in _OF_TRIAL), *(getattr(report, n) for n in _REPORT)]
        # A trial of the gates says itself on how many tasks it is scored: they look again at more.
        tasks = trial.bank_tasks or plan[trial.role].tasks_at(report.meta_iteration)
        return [*values, tasks]

    rows = _report_rows(read, study.study_id, with_scores=False)
    records = (record(trial, report) for trial, report in rows)
    return _columns({**_OF_TRIAL, **_REPORT, **_TASKS}), records


def _scores(read: Read, study: Study) -> tuple[list[Column], Iterator[Record]]:
    records = (
        [trial.trial_number, report.meta_iteration, task, score]
        for trial, report in _report_rows(read, study.study_id, with_scores=True)
        for task, score in enumerate(report.scores)
    )
    return _columns(_SCORE), records


_MAKERS: dict[What, Callable[[Read, Study], tuple[list[Column], Iterator[Record]]]] = {
    "trials": _trials,
    "reports": _reports,
    "scores": _scores,
}


def _report_rows(read: Read, study_id: str, *, with_scores: bool) -> Iterator[Any]:
    after: tuple[int, int] | None = None
    while True:
        with read() as session:
            page = reports_after(session, study_id, after, limit=PAGE_ROWS, with_scores=with_scores)
            session.expunge_all()
        yield from page
        if len(page) < PAGE_ROWS:
            return
        last_trial, last_report = page[-1]
        after = last_trial.trial_number, last_report.meta_iteration


def _columns(kinds: dict[str, str]) -> list[Column]:
    return [Column(name, kind) for name, kind in kinds.items()]


def _param_kinds(spec: StudySpec) -> dict[str, str]:
    words = {"int": "int", "float": "float", "choice": "text"}
    kinds: dict[str, str] = {}
    for branch in spec.branches:
        for name, param in parameters(branch.algorithm).items():
            kind = words[param.kind]
            if kinds.setdefault(name, kind) != kind:
                kinds[name] = "float" if {kinds[name], kind} == {"int", "float"} else "text"
    return kinds
