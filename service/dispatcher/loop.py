"""The loop: looks at the tables, gives free slots work, takes in what comes back.

    poll ─▶ statuses of studies      fill ─▶ orders to free slots      wait ─▶ reports, losses
      ▲                                                                          │
      └──────────────────────────────────────────────────────────────────────────┘

It decides nothing by itself: `scheduler`, `pruning` and `retries` do, and `store` and `lifecycle`
write; `slots` orders segments and takes them in.  One thread runs it.  What it holds is a copy of
the tables: while the database is away it stands still (`store.steps`), and on any other failure
that copy is thrown away whole, and a new one begins from the rows, as after a kill.
"""

import time
from collections.abc import Iterable, Sequence
from threading import Event as Flag

import structlog
from sqlalchemy.orm import Session

from service.db.roles import ROLES
from service.db.states import TERMINAL_STUDIES, StudyStatus, TrialStatus
from service.db.study_progress import Needs, Seen, at_work_or_next, needs_of, oldest_queued
from service.dispatcher.leadership import takeover
from service.dispatcher.leadership.files import Disk
from service.dispatcher.lifecycle import phases, spending
from service.dispatcher.lifecycle.failure import failing_alone
from service.dispatcher.pace import HANG_SECONDS
from service.dispatcher.scheduler.budget import affordable_iterations, lane_iterations_under_way
from service.dispatcher.scheduler.placement import Work, choose_work
from service.dispatcher.search.background import Asker
from service.dispatcher.slots import Slots
from service.dispatcher.state import SlotState, StudyState, oldest_first
from service.dispatcher.store.ledger import Ledger
from service.executors.base import Executor
from service.executors.slots import Found, view_of
from service.planning.requirements import lacking
from service.wire.requires import Requires
from service.wire.views.slots import SlotsView

POLL_SECONDS = 0.2
REFRESH_SECONDS = 2.0
LEAST_LANES = 16  # fewer would end segments so soon that slots wait for their next orders
DRAIN_SECONDS = 10.0

log = structlog.get_logger("dispatcher")


class Dispatcher:
    """Runs studies until told to stop.

    Args:
        ledger: Writes, as one epoch.
        executor: Where segments run.
        lanes: Most lanes on a slot; None is as many as its worker says pay.
        segment_seconds: Aimed length of a segment.
        hang_seconds: Least time without a sign of progress after which a worker has hung.
        stop: Set from outside to drain.
        found: The executor's slots as they were found, with what did not work then.
    """

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        *,
        lanes: int | None,
        segment_seconds: float,
        hang_seconds: float = HANG_SECONDS,
        stop: Flag,
        found: Found | None = None,
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._stop = stop
        self._found = found or Found(executor.slots)
        self._told: SlotsView | None = None
        self._studies: dict[str, StudyState] = {}
        self._described = executor.described
        self._slots = Slots(
            ledger, executor, segment_seconds=segment_seconds, hang_seconds=hang_seconds
        )
        self._asker = Asker(wake=self._slots.wake)
        self._disk = Disk(ledger)
        self._refreshed = self._settled = 0.0
        self._waits: str | None = None  # the study that is started next, as last looked for
        self._runnable: dict[str, bool] = {}  # whether any slot has what a study needs
        self._lacking: set[str] = set()  # what of that no slot has: studies that need it wait
        self._log = log.bind(epoch=ledger.epoch)

    def run(self) -> None:
        """Run until `stop` is set, then drain.

        Raises:
            EpochLost: another dispatcher is live.
            SlotsLost: no slot works any more.
            sqlalchemy.exc.SQLAlchemyError: the database failed, or was away for too long; begin
                again with a new Dispatcher.
        """
        takeover.take_over(self._ledger)
        takeover.tell_plugins(self._ledger, self._described)
        self._tell_slots()
        try:
            while not self._stop.is_set():
                self._refresh()
                if self._disk.is_there():
                    self._poll()
                    self._slots.prepare()
                    self._fill_slots()
                self._take_in(POLL_SECONDS)
            self._drain()
        finally:
            self._asker.close()

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            takeover.refresh(self._ledger, self._studies)
            self._disk.tidy(self._studies)
            for study in self._studies.values():
                spending.save(self._ledger, study)
            self._tell_slots()
            self._refreshed = time.monotonic()

    def _tell_slots(self) -> None:
        view = view_of(self._found, self._slots.out(self._disk.fault))
        if view != self._told:
            takeover.tell_slots(self._ledger, view)
            self._told = view

    def _poll(self) -> None:
        """Look how studies stand before anything is ordered; settle all a few times a second."""
        self._look()
        due = time.monotonic() - self._settled >= POLL_SECONDS
        for study in list(self._studies.values()):
            if study.status != StudyStatus.RUNNING:
                self._put_away(study)
            elif due:  # in between it is settled with each of its reports
                self._settle(study)
        if due:
            self._settled = time.monotonic()

    def _look(self) -> None:
        for study_id, status, version in self._ledger.read(self._standing):
            if study_id in self._studies:
                study = self._studies[study_id]
                study.clock(time.monotonic())
                study.status = StudyStatus(status)
                spending.follow(self._ledger, study, version)
            elif status == StudyStatus.RUNNING and self._runnable[study_id]:
                self._load(study_id)

    def _standing(self, session: Session) -> Sequence[Seen]:
        """How studies stand; look at what they need, and which is to be started next."""
        standing = at_work_or_next(session, self._studies, self._lacking)
        self._look_at_needs(session, [seen.study_id for seen in standing])
        queued = (seen.study_id for seen in standing if seen.status == StudyStatus.QUEUED)
        self._waits = self._next(session, next(queued, None))
        return standing

    def _next(self, session: Session, study_id: str | None) -> str | None:
        """That queued study, or the oldest one that a slot can train."""
        while study_id is not None:
            self._look_at_needs(session, [study_id])
            if self._runnable[study_id]:
                break
            study_id = oldest_queued(session, self._lacking)
        return study_id

    def _look_at_needs(self, session: Session, study_ids: Iterable[str]) -> None:
        """Look, once of each study, whether any slot has what it needs."""
        new = [study_id for study_id in study_ids if study_id not in self._runnable]
        if not new:
            return
        found = needs_of(session, new)
        for study_id in new:
            needs = found.get(study_id, Needs(None, [], {}))
            requires = Requires.model_validate(needs.requires)
            able = any(slot.takes(needs.plugins, requires) for slot in self._slots)
            self._runnable[study_id] = able
            if not able and needs.text is not None:
                self._lacking.add(needs.text)
                self._log.warning(
                    "study_lacks_slot",
                    study_id=study_id,
                    plugins=[needed.to_json() for needed in needs.plugins],
                    requires=lacking([slot.slot for slot in self._slots], requires),
                )

    def _settle(self, study: StudyState) -> None:
        try:
            with failing_alone(self._ledger, study):
                spending.enforce(self._ledger, study, self._slots)
                self._slots.stop(spending.overdue(study, self._slots))
                phases.settle(self._ledger, study)
        except OSError as error:  # of a model that its end needs
            self._disk.failed(study, error)

    def _load(self, study_id: str) -> None:
        self._slots.warm()
        study = takeover.load(self._ledger, study_id)
        if study is not None:
            study.run_from(time.monotonic())
            self._studies[study_id] = study

    def _put_away(self, study: StudyState) -> None:
        for slot in self._slots.of(study):
            if slot.future is None:
                self._slots.release(study, slot, f"the study is {study.status}")
        self._slots.stop(self._slots.of(study))
        if ended := study.status in TERMINAL_STUDIES:
            self._slots.give_up(self._slots.of(study))
            if queued := study.queued():
                self._ledger.end_queued(study, queued, TrialStatus.CANCELLED)
        if self._slots.of(study):
            return
        if ended:
            self._ledger.store.delete_study(study.study_id)
        spending.save(self._ledger, study)
        del self._studies[study.study_id]
        self._runnable.pop(study.study_id, None)

    def _fill_slots(self) -> None:
        # Those without lanes first: others give lanes up only if one of these finds no work.
        in_vain: list[SlotState] = []
        for slot in sorted(self._slots.free(), key=lambda slot: bool(slot.lanes)):
            if not slot.lanes and any(slot.is_like(other) for other in in_vain):
                continue  # where one that is empty found nothing, so would the next like it
            work = self._find_work(slot)
            if work is None:
                in_vain.append(slot)
            else:
                in_vain = [other for other in in_vain if not slot.is_like(other)]
            if work is None or self._lacks_budget(work):
                continue
            self._carry_out(slot, work)
            if work.release:
                self._fill_slots()  # with what was given up
                return

    def _find_work(self, slot: SlotState) -> Work | None:
        work = self._choose(slot)
        if work is None and self._start_next_study():
            work = self._choose(slot)
        return work

    def _choose(self, slot: SlotState) -> Work | None:
        studies = oldest_first(self._studies.values())
        return choose_work(
            studies,
            slot,
            slots=len(self._slots),
            lanes=self._lanes or max(LEAST_LANES, slot.lane_chunk),
            occupied=self._slots.occupied(),
            able=self._slots.able,
            idle=any(not other.lanes for other in self._slots.free()),
        )

    def _start_next_study(self) -> bool:
        study_id = self._waits
        if study_id is None:
            return False
        started = takeover.start(self._ledger, study_id)
        self._waits = self._ledger.read(
            lambda session: self._next(session, oldest_queued(session, self._lacking))
        )
        if not started:
            return False
        if study_id in self._studies:  # paused and resumed while its segment ran: not put away yet
            self._studies[study_id].status = StudyStatus.RUNNING
            self._studies[study_id].run_from(time.monotonic())
        else:
            self._load(study_id)
        return study_id in self._studies

    def _carry_out(self, slot: SlotState, work: Work) -> None:
        study = work.study
        new = None
        with failing_alone(self._ledger, study):
            new = self._asker.ask(study, work.branch, work.ask) if work.branch and work.ask else []
        if new is None:
            return
        if work.release:
            self._ledger.release(study, work.release, work.cause)
            slot.lanes = work.keep
        asked = [point.trial for point in new]
        group = work.group or (asked[0].group if asked else None)
        fresh = [trial for trial in asked if trial.group == group][: work.ask]
        admit = [*work.admit, *fresh]
        if new or admit:
            self._ledger.admit(study, slot.slot.name, new, admit)
        if group is not None and (work.keep or admit):
            self._slots.submit(slot, study, group, work.keep, admit)

    def _lacks_budget(self, work: Work) -> bool:
        """Whether no meta-iteration is left for each lane; end the search if so.

        What segments under way do not train after all may still come back: then it waits.
        """
        if work.group is not None and not ROLES[work.group.role].paid_by_search:
            return False
        lanes = len(work.keep) + len(work.admit) + work.ask
        if not lanes:
            return False  # lanes are given up, and none is trained
        if work.study.search_ended_by is not None:
            return True
        if affordable_iterations(work.study, self._slots, lanes) != 0:
            return False
        if not lane_iterations_under_way(work.study, self._slots):
            spending.end_search(self._ledger, work.study, "total_meta_iterations")
        return True

    def _take_in(self, timeout: float) -> None:
        ended = self._slots.wait(timeout)
        if ended is None:
            return
        slot, future = ended
        assert slot.study_id is not None
        study = self._studies[slot.study_id]
        if self._slots.take_in(study, slot, future):
            self._settle(study)
        elif slot.hung:
            self._tell_slots()

    def _drain(self) -> None:
        self._log.info("dispatcher_draining")
        deadline = time.monotonic() + DRAIN_SECONDS
        self._slots.stop(self._slots)
        while self._slots.busy() and time.monotonic() < deadline:
            self._refresh()
            self._take_in(POLL_SECONDS)
        for slot in self._slots:
            if slot.lanes and slot.study_id is not None:
                slot.future = None
                self._slots.release(
                    self._studies[slot.study_id], slot, "the dispatcher was stopped"
                )
        for study in self._studies.values():
            spending.save(self._ledger, study)
        takeover.give_up_epoch(self._ledger)
