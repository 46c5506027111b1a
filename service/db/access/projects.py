"""Projects: whose things a session sees, decided here for every query.

    session.info["project"] = "vision"     its studies, schedules, baselines and deliveries alone
    no project                             everything: the dispatcher and the operator's commands

A query for something of another project finds nothing, just as one for something that never was.
What hangs on a study or schedule (trials, events, runs…) is asked for by its id, which was found
so.  Rows that are added get the session's project from whoever adds them (`project_of`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import event, select
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.orm.util import LoaderCriteriaOption

from service.db.tables import Baseline, Delivery, Schedule, Study
from service.default_project import DEFAULT_PROJECT

PROJECT = "project"
_OWNED = Study, Schedule, Baseline, Delivery


def project_of(session: Session) -> str:
    """The project of what is added in this session."""
    return session.info.get(PROJECT) or DEFAULT_PROJECT


def project_of_study(session: Session, study_id: str) -> str:
    """The project of a study; that of new things where there is none of this id."""
    found = session.scalar(select(Study.project).where(Study.study_id == study_id))
    return found or DEFAULT_PROJECT


@contextmanager
def within(session: Session, project: str | None) -> Iterator[None]:
    """Let the session see a project alone meanwhile, or with None everything."""
    before = session.info.get(PROJECT)
    session.info[PROJECT] = project
    try:
        yield
    finally:
        session.info[PROJECT] = before


@event.listens_for(Session, "do_orm_execute")
def _see_own_alone(state: ORMExecuteState) -> None:
    project = state.session.info.get(PROJECT)
    if project is not None and (state.is_select or state.is_update or state.is_delete):
        state.statement = state.statement.options(*_criteria(project))


@lru_cache(1024)
def _criteria(project: str) -> tuple[LoaderCriteriaOption, ...]:
    return tuple(
        with_loader_criteria(table, table.project == project, include_aliases=True)
        for table in _OWNED
    )
