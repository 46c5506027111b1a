"""Reports of the studies of `tests.fakes.seen`, in each state a study can be in."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.db.engine import reading, transaction
from service.operations.report import read_rows
from service.report.data import study_report
from service.wire.views.report import StudyReport
from tests.fakes.rows import NOON, add_study
from tests.fakes.seen import STUDY, add_seen_study, complete


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # pages and figures do not depend on the kind of database


def report_of(engine: Engine, study_id: str = STUDY) -> StudyReport:
    with reading(engine) as session:
        rows = read_rows(session, study_id)
    return study_report(rows, now=NOON + timedelta(minutes=5))


@pytest.fixture
def running(engine: Engine) -> StudyReport:
    with transaction(engine) as session:
        add_seen_study(session)
    return report_of(engine)


@pytest.fixture
def completed(engine: Engine) -> StudyReport:
    with transaction(engine) as session:
        complete(session, add_seen_study(session))
    return report_of(engine)


@pytest.fixture
def empty(engine: Engine) -> StudyReport:
    with transaction(engine) as session:
        add_study(session, status="queued", started_at=None)
    return report_of(engine)


@pytest.fixture
def failed(engine: Engine) -> StudyReport:
    with transaction(engine) as session:
        add_study(session, status="failed", error="no finalist could be trained", finished_at=NOON)
    return report_of(engine)
