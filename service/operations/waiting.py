"""Waiting: why queued studies have not begun, and for about how long they wait.

A running study waits, too, while no dispatcher is live, none of its slots works, or none has what
it needs: plug-ins, and what it requires of slots.  Nothing is asked of the database unless one of
the studies that are shown is queued or runs; and however many are queued, no more of them are read
than are shown.

All projects wait in one line: those before are counted, and only the session's own are named.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from metaopt.plugins.described import Needed
from service.db import spending, studies
from service.db.access.projects import PROJECT, within
from service.db.dispatcher import database_now
from service.db.plugins.rows import marks
from service.db.roles import ROLES
from service.db.states import StudyStatus
from service.db.tables import Spending, Study
from service.operations.monitoring.health import dispatcher_checks, working_slots
from service.planning.requirements import lacking as no_slot_has
from service.planning.time_left import seconds_left
from service.plugins.needs import lacking as lacks
from service.plugins.stored import spec_of_data
from service.wire.requires import Requires
from service.wire.spec.study import StudySpec
from service.wire.views.studies import StudyName, WaitView
from service.wire.words import waiting

Reason = Literal["dispatcher", "plugins", "requires", "slots"]

MOST_BEFORE = 20
SOON = timedelta(seconds=30)


def waits(session: Session, rows: Sequence[Study]) -> dict[str, WaitView]:
    """Why those of the studies that wait do, by their ids."""
    at_work = [row for row in rows if row.status in (StudyStatus.QUEUED, StudyStatus.RUNNING)]
    if not at_work:
        return {}
    wrong = {name: check.text for name, check in dispatcher_checks(session).items() if not check.ok}
    if wrong:
        view = _waits("dispatcher", waiting.for_service(*next(iter(wrong.items()))))
        return {row.study_id: view for row in at_work}
    queued = [row for row in at_work if row.status == StudyStatus.QUEUED]
    needing = queued or any(row.plugins or row.requires for row in at_work)
    lacking, without = _without(session) if needing else ({}, {})
    queued = [row for row in queued if row.study_id not in without]
    shown = {row.study_id: without[row.study_id] for row in at_work if row.study_id in without}
    if not queued:
        return shown
    now, project = database_now(session), session.info.get(PROJECT)
    with within(session, None):
        line = _line(session, queued, lacking)
        left = _seconds_left(session, [one.study_id for one in line.running])
    far = _names(line.named, project)
    return shown | {row.study_id: _wait(row, line, left, now, project, far) for row in queued}


class _Line(NamedTuple):
    """Who is before those that are shown, but for studies that lack what they need.

    Args:
        running: All that run.
        first: The queued ones that begin next, at most `MOST_BEFORE`.
        named: Of both, in their order, at most so many.
        places: How many are queued before each that is shown.
    """

    running: Sequence[studies.InLine]
    first: Sequence[studies.InLine]
    named: Sequence[studies.InLine]
    places: Mapping[str, int]


def _line(
    session: Session, queued: Sequence[Study], lacking: Mapping[str, studies.InLine]
) -> _Line:
    running = [one for one in studies.running_studies(session) if one.study_id not in lacking]
    first = studies.first_queued(session, limit=MOST_BEFORE + len(lacking))
    first = [one for one in first if one.study_id not in lacking][:MOST_BEFORE]
    places = sorted((row.created_at, row.study_id) for row in queued)
    oldest, newest = places[0], places[-1]
    passed = sum(one.status == "queued" and one[:2] < oldest for one in lacking.values())
    before = studies.count_queued(session, oldest) - passed
    between = studies.queued_between(session, oldest, newest)  # a page is all there is between
    counted = enumerate((one for one in between if one not in lacking), before)
    return _Line(
        running,
        first,
        _first_of([*running, *first]),
        {study_id: place for place, study_id in counted},
    )


def _without(session: Session) -> tuple[dict[str, studies.InLine], dict[str, WaitView]]:
    """The studies that need a plug-in, or require of a slot, what there is none with; and what is
    said of them.
    """
    with within(session, None):
        needing = studies.plugins_at_work(session)
        requiring = studies.requiring_at_work(session)
    slots = working_slots(session) if requiring else []
    there = marks(session) if needing else frozenset()
    lacking: dict[str, studies.InLine] = {}
    waits: dict[str, WaitView] = {}
    for study, requires in requiring:
        if slots and (lacks_slot := no_slot_has(slots, Requires.model_validate(requires))):
            lacking[study.study_id] = study
            waits[study.study_id] = _waits("requires", waiting.for_slots(lacks_slot))
    for study, plugins in needing:
        if missing := lacks([Needed(**one) for one in plugins], there):
            lacking[study.study_id] = study
            waits[study.study_id] = _waits("plugins", waiting.for_plugins(missing))
    return lacking, waits


def _waits(reason: Reason, sentence: str) -> WaitView:
    """It waits for none of the other studies."""
    return WaitView(reason=reason, before=0, behind=[], seconds=None, sentence=sentence)


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
    line: _Line,
    left: Mapping[str, float | None],
    now: datetime,
    project: str | None,
    far: list[StudyName],
) -> WaitView:
    queued = line.places.get(row.study_id, 0)  # none of one that began while this was read
    if not line.running and not queued:
        sentence = waiting.NEXT if abs(now - row.created_at) < SOON else waiting.NO_SLOT
        return _waits("slots", sentence)
    times = [left.get(one.study_id) for one in line.running]
    known = [seconds for seconds in times if seconds is not None]
    seconds = sum(known) if len(known) == len(times) and not queued else None
    if queued >= len(line.first):  # as most in a long queue: they are behind the same ones
        named = far
    else:
        named = _names(_first_of([*line.running, *line.first[:queued]]), project)
    number = len(line.running) + queued
    return WaitView(
        reason="studies",
        before=number,
        behind=named,
        seconds=seconds,
        sentence=waiting.behind(named, number, seconds),
    )


def _names(before: Sequence[studies.InLine], project: str | None) -> list[StudyName]:
    return [
        StudyName(study_id=one.study_id, name=one.name, status=one.status)
        for one in before
        if project in (None, one.project)
    ]


def _first_of(line: Sequence[studies.InLine]) -> list[studies.InLine]:
    return sorted(line)[:MOST_BEFORE]


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
