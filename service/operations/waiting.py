"""Waiting: why queued studies have not begun, and for about how long they wait.

A running study waits, too, while no dispatcher is live, none of its slots works, or none has the
plug-ins that it needs.  Nothing is
asked of the database unless one of the studies that are shown is queued or runs.

All projects wait in one line: those before are counted, and only the session's own are named.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from metaopt.plugins.described import Needed
from service.db import spending, studies
from service.db.dispatcher import database_now
from service.db.plugins.rows import marks
from service.db.projects import PROJECT, within
from service.db.roles import ROLES
from service.db.states import StudyStatus
from service.db.tables import Spending, Study
from service.operations.monitoring.health import dispatcher_checks
from service.planning.time_left import seconds_left
from service.plugins.needs import lacking
from service.plugins.stored import spec_of_data
from service.wire.spec.study import StudySpec
from service.wire.views.studies import StudyName, WaitView
from service.wire.words import waiting

MOST_BEFORE = 20
SOON = timedelta(seconds=30)


def waits(session: Session, rows: Sequence[Study]) -> dict[str, WaitView]:
    """Why those of the studies that wait do, by their ids."""
    at_work = [row for row in rows if row.status in (StudyStatus.QUEUED, StudyStatus.RUNNING)]
    if not at_work:
        return {}
    wrong = {name: check.text for name, check in dispatcher_checks(session).items() if not check.ok}
    if wrong:
        sentence = waiting.for_service(*next(iter(wrong.items())))
        view = WaitView(reason="dispatcher", before=0, behind=[], seconds=None, sentence=sentence)
        return {row.study_id: view for row in at_work}
    queued = [row for row in at_work if row.status == StudyStatus.QUEUED]
    needing = queued or any(row.plugins for row in at_work)
    without = _without_plugins(session) if needing else {}
    queued = [row for row in queued if row.study_id not in without]
    shown = {row.study_id: without[row.study_id] for row in at_work if row.study_id in without}
    if not queued:
        return shown
    now, project = database_now(session), session.info.get(PROJECT)
    with within(session, None):
        line = [one for one in studies.waiting_line(session) if one.study_id not in without]
        left = _seconds_left(session, [one.study_id for one in line if one.status == "running"])
    return shown | {row.study_id: _wait(row, line, left, now, project) for row in queued}


def _without_plugins(session: Session) -> dict[str, WaitView]:
    """The studies that need a plug-in which no worker has."""
    with within(session, None):
        needing = studies.plugins_at_work(session)
    there = marks(session) if needing else frozenset()
    waits: dict[str, WaitView] = {}
    for study_id, plugins in needing.items():
        if missing := lacking([Needed(**one) for one in plugins], there):
            sentence = waiting.for_plugins(missing)
            waits[study_id] = WaitView(
                reason="plugins", before=0, behind=[], seconds=None, sentence=sentence
            )
    return waits


def left_of(
    spec: StudySpec, counts: Sequence[studies.Count], spent: Spending | None
) -> float | None:
    """About how many seconds a running study has left; None if nothing says so yet."""
    if spent is None:
        return None
    fresh: dict[str, int] = {}
    for count in counts:
        if not ROLES[count.role].paid_by_search:
            fresh[count.status] = fresh.get(count.status, 0) + count.trials
    return seconds_left(
        spec,
        wall_seconds=spent.wall_seconds,
        meta_iterations=spent.meta_iterations,
        search_ended=spent.ended_by is not None,
        fresh=fresh,
    )


def _wait(
    row: Study,
    line: Sequence[studies.InLine],
    left: Mapping[str, float | None],
    now: datetime,
    project: str | None,
) -> WaitView:
    mine = row.created_at, row.study_id
    before = [one for one in line if one.status == "running" or one[:2] < mine]
    if not before:
        sentence = waiting.NEXT if abs(now - row.created_at) < SOON else waiting.NO_SLOT
        return WaitView(reason="slots", before=0, behind=[], seconds=None, sentence=sentence)
    times = [left.get(one.study_id) for one in before]
    known = [seconds for seconds in times if seconds is not None]
    seconds = sum(known) if len(known) == len(times) else None
    named = [
        StudyName(study_id=o.study_id, name=o.name, status=o.status)
        for o in before
        if project in (None, o.project)
    ]
    return WaitView(
        reason="studies",
        before=len(before),
        behind=named[:MOST_BEFORE],
        seconds=seconds,
        sentence=waiting.behind(named, len(before), seconds),
    )


def _seconds_left(session: Session, study_ids: Sequence[str]) -> dict[str, float | None]:
    counts: dict[str, list[studies.Count]] = {study_id: [] for study_id in study_ids}
    for count in studies.count_trials(session, study_ids):
        counts[count.study_id].append(count)
    spent = spending.spending_of(session, study_ids)
    specs = studies.specs_of(session, study_ids)
    return {
        study_id: left_of(spec_of_data(specs[study_id], session), counts[study_id], found)
        for study_id, found in ((study_id, spent.get(study_id)) for study_id in study_ids)
    }
