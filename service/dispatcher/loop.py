"""The loop: looks at the tables, gives free slots work, takes in what comes back.

    poll ─▶ statuses of studies      fill ─▶ orders to free slots      wait ─▶ reports, losses
      ▲                                                                          │
      └──────────────────────────────────────────────────────────────────────────┘

It decides nothing by itself: `work`, `rungs`, `outcomes` and `losses` do, and `ledger` and
`settling` write.  One thread runs it; futures only put their slot's name into its queue.  What
it holds is a copy of the tables, so on any failure of the database it is thrown away whole, and
a new one begins from the rows, as after a kill.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event as Flag

import structlog
from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import MetaoptError
from service.db.dispatcher import EpochLost
from service.db.engine import reading
from service.db.roles import ROLES
from service.db.states import TERMINAL_STUDIES, StudyStatus, TrialStatus
from service.db.study_progress import oldest_queued, running_or_known
from service.dispatcher.leadership import takeover
from service.dispatcher.lifecycle import phases, spending
from service.dispatcher.lifecycle.handover import hand_over, regroup
from service.dispatcher.pruning.decisions import BadReport, judge_report
from service.dispatcher.retries import halved, judge_loss
from service.dispatcher.scheduler.budget import affordable_iterations, lane_iterations_under_way
from service.dispatcher.scheduler.orders import segment_order
from service.dispatcher.scheduler.placement import Work, choose_work
from service.dispatcher.search.background import Asker
from service.dispatcher.state import Group, SlotState, StudyState, TrialState, oldest_first
from service.dispatcher.store.ledger import Ledger
from service.executors.base import (
    Executor,
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    SegmentReport,
    WorkerGone,
    WorkerLost,
)

POLL_SECONDS = 0.2
REFRESH_SECONDS = 2.0
LEAST_LANES = 16  # fewer would end segments so soon that slots wait for their next orders
DRAIN_SECONDS = 20.0
LONGEST_PAUSE_SECONDS = 30.0
BAD_REPORT = "BadReport"  # the only error after which a worker still holds its lanes

log = structlog.get_logger("dispatcher")


class Dispatcher:
    """Runs studies until told to stop.

    Args:
        ledger: Writes, as one epoch.
        executor: Where segments run.
        lanes: Most lanes on a slot; None is as many as its worker says pay.
        segment_seconds: Aimed length of a segment.
        stop: Set from outside to drain.
    """

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        *,
        lanes: int | None,
        segment_seconds: float,
        stop: Flag,
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._lanes = lanes
        self._segment_seconds = segment_seconds
        self._stop = stop
        self._studies: dict[str, StudyState] = {}
        self._slots = {slot.name: SlotState(slot) for slot in executor.slots}
        self._ended: SimpleQueue[str | None] = SimpleQueue()  # slots whose segment has ended
        self._asker = Asker(wake=lambda: self._ended.put(None))
        self._refreshed = 0.0
        self._log = log.bind(epoch=ledger.epoch)

    def run(self) -> None:
        """Run until `stop` is set, then drain.

        Raises:
            EpochLost: another dispatcher is live.
            sqlalchemy.exc.DBAPIError: the database failed; begin again with a new Dispatcher.
        """
        takeover.take_over(self._ledger)
        try:
            while not self._stop.is_set():
                self._refresh()
                self._poll()
                self._fill_slots()
                self._take_in(POLL_SECONDS)
            self._drain()
        finally:
            self._asker.close()

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            takeover.refresh(self._ledger, self._studies)
            for study in self._studies.values():
                spending.save(self._ledger, study)
            self._refreshed = time.monotonic()

    def _poll(self) -> None:
        with reading(self._ledger.engine) as session:
            found = running_or_known(session, self._studies)
        for study_id, seen in found.items():
            if study_id in self._studies:
                study = self._studies[study_id]
                study.clock(time.monotonic())
                study.status = StudyStatus(seen.status)
                spending.follow(self._ledger, study, seen.version)
            else:
                self._load(study_id)
        for study in list(self._studies.values()):
            if study.status != StudyStatus.RUNNING:
                self._put_away(study)
            else:
                self._settle(study)

    def _settle(self, study: StudyState) -> None:
        with self._failing_alone(study):
            spending.enforce(self._ledger, study, self._slots.values())
            phases.settle(self._ledger, study)

    def _load(self, study_id: str) -> None:
        study = takeover.load(self._ledger, study_id)
        if study is not None:
            study.run_from(time.monotonic())
            self._studies[study_id] = study

    def _put_away(self, study: StudyState) -> None:
        for slot in self._slots.values():
            if slot.study_id == study.study_id and slot.future is None and slot.lanes:
                self._release(study, slot, f"the study is {study.status}")
        if study.status in TERMINAL_STUDIES and (queued := study.queued()):
            self._ledger.end_queued(study, queued, TrialStatus.CANCELLED)
        if any(slot.lanes and slot.study_id == study.study_id for slot in self._slots.values()):
            return
        if study.status in TERMINAL_STUDIES:
            self._ledger.store.delete_study(study.study_id)
        spending.save(self._ledger, study)
        del self._studies[study.study_id]

    def _release(self, study: StudyState, slot: SlotState, cause: str) -> None:
        self._ledger.release(study, slot.lanes, cause)
        slot.lanes = []

    def _fill_slots(self) -> None:
        # Those without lanes first: others give lanes up only if one of these finds no work.
        for slot in sorted(self._free_slots(), key=lambda slot: bool(slot.lanes)):
            work = self._fill(slot)
            if work is not None and work.release:
                self._fill_slots()  # with what was given up
                return

    def _free_slots(self) -> list[SlotState]:
        now = time.monotonic()
        return [s for s in self._slots.values() if s.future is None and now >= s.not_before]

    def _fill(self, slot: SlotState) -> Work | None:
        work = self._choose(slot)
        if work is None and self._start_next_study():
            work = self._choose(slot)
        if work is None or self._lacks_budget(work):
            return None
        self._carry_out(slot, work)
        return work

    def _choose(self, slot: SlotState) -> Work | None:
        studies = oldest_first(self._studies.values())
        occupied = Counter(s.study_id for s in self._slots.values() if s.lanes and s.study_id)
        return choose_work(
            studies,
            slot,
            slots=len(self._slots),
            lanes=self._lanes or max(LEAST_LANES, slot.lane_chunk),
            occupied=occupied,
            idle=any(not other.lanes for other in self._free_slots()),
        )

    def _start_next_study(self) -> bool:
        with reading(self._ledger.engine) as session:
            study_id = oldest_queued(session)
        if study_id is None or not takeover.start(self._ledger, study_id):
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
        with self._failing_alone(study):
            new = self._asker.ask(study, work.branch, work.ask) if work.branch and work.ask else []
        if new is None:
            return
        if work.release:
            self._ledger.release(study, work.release, "moved to a slot that found no work")
        asked = [one.trial for one in new]
        group = work.group or (asked[0].group if asked else None)
        fresh = [trial for trial in asked if trial.group == group][: work.ask]
        admit = [*work.admit, *fresh]
        if new or admit:
            self._ledger.admit(study, slot.slot.name, new, admit)
        if group is not None and (work.keep or admit):
            self._submit(slot, study, group, work.keep, admit)

    def _lacks_budget(self, work: Work) -> bool:
        """Return whether no meta-iteration is left for each lane; end the search if so.

        What segments under way do not train after all may still come back: then it waits.
        """
        if work.group is not None and not ROLES[work.group.role].paid_by_search:
            return False
        if work.study.search_ended_by is not None:
            return True
        lanes = len(work.keep) + len(work.admit) + work.ask
        if affordable_iterations(work.study, self._slots.values(), lanes) != 0:
            return False
        if not lane_iterations_under_way(work.study, self._slots.values()):
            spending.end_search(self._ledger, work.study, "total_meta_iterations")
        return True

    def _submit(
        self,
        slot: SlotState,
        study: StudyState,
        group: Group,
        keep: list[TrialState],
        admit: list[TrialState],
    ) -> None:
        if (slot.study_id, slot.group) != (study.study_id, group) or not keep:
            slot.seconds.clear()
        order = segment_order(
            study,
            group,
            slot,
            keep=keep,
            admit=admit,
            store=self._ledger.store,
            segment_seconds=self._segment_seconds,
            most_iterations=affordable_iterations(
                study, self._slots.values(), len(keep) + len(admit)
            )
            if ROLES[group.role].paid_by_search
            else None,
        )
        slot.study_id, slot.group, slot.lanes = study.study_id, group, [*keep, *admit]
        slot.iterations = order.iterations
        slot.held = {trial.trial_id for trial in slot.lanes}
        slot.ordered_at = self._ledger.now()
        slot.longest_wait_seconds = time.monotonic() - study.running_since
        slot.future = self._executor.submit(slot.slot.name, order)
        slot.future.add_done_callback(lambda _: self._ended.put(slot.slot.name))

    def _take_in(self, timeout: float) -> None:
        try:
            name = self._ended.get(timeout=timeout)
        except Empty:
            return
        if name is None:  # a sampler has found points
            return
        slot = self._slots[name]
        future, slot.future = slot.future, None
        if future is not None:
            self._take_in_future(slot, future)

    def _take_in_future(self, slot: SlotState, future: "Future[SegmentReport]") -> None:
        assert slot.study_id is not None
        study = self._studies[slot.study_id]
        try:
            report = future.result()
            outcomes = judge_report(study, slot.lanes, report, slot.iterations)
        except (WorkerLost, SegmentFailed) as error:
            self._lose(study, slot, error)
            return
        except BadReport as error:
            self._lose(study, slot, SegmentFailed(str(error), kind=BAD_REPORT))
            return
        now = time.monotonic()
        slot_seconds = (now - study.accounted_to) * self._slots_of(study)
        study.clock(now)
        with self._failing_alone(study):
            self._ledger.report(study, slot, outcomes, report, slot_seconds)
            study.accounted_to = now
        slot.failed_starts = 0
        slot.lane_chunk = report.lane_chunk
        if slot.iterations:
            slot.seconds.append(report.train_seconds / slot.iterations)
        hand_over(self._ledger, study, slot.lanes)
        slot.lanes = [trial for trial in slot.lanes if trial.status == TrialStatus.RUNNING]
        self._log_segment(study, slot, report)
        self._settle(study)

    def _slots_of(self, study: StudyState) -> int:
        return sum(1 for s in self._slots.values() if not s.lanes or s.study_id == study.study_id)

    def _lose(self, study: StudyState, slot: SlotState, error: WorkerLost | SegmentFailed) -> None:
        lanes, slot.lanes = slot.lanes, []
        if not isinstance(error, SegmentFailed) or error.kind != BAD_REPORT:
            slot.held = set()
        losses = [(trial, judge_loss(trial, error, alone=len(lanes) == 1)) for trial in lanes]
        with self._failing_alone(study):
            self._ledger.lose(study, slot.slot.name, losses, str(error))
            regroup(study, lanes)
        if isinstance(error, OutOfMemory) and slot.group is not None:
            study.lane_limits[slot.group] = halved(len(lanes))
        if isinstance(error, WorkerGone | MachineFailed):
            slot.failed_starts += 1
            pause = min(LONGEST_PAUSE_SECONDS, 2.0**slot.failed_starts / 2)
            slot.not_before = time.monotonic() + pause
        self._log.warning(
            "worker_lost",
            study_id=study.study_id,
            slot=slot.slot.name,
            kind=type(error).__name__,
            cause=str(error),
            trials=[{"trial_id": t.trial_id, "attempt": t.attempt} for t in lanes],
        )

    @contextmanager
    def _failing_alone(self, study: StudyState) -> Iterator[None]:
        # The ledger tells samplers after its commit: whatever they refuse, it has been written.
        try:
            yield
        except MetaoptError as error:
            phases.fail(self._ledger, study, f"the search cannot go on: {error}")
        except (SQLAlchemyError, EpochLost, OSError):
            raise  # the machine's fault, not the study's
        except Exception as error:  # ours: it must not take all other studies with it
            self._log.exception("study_unsettled", study_id=study.study_id)
            named = f"{type(error).__name__}: {error}"
            phases.fail(self._ledger, study, f"an error of metaopt, please report it: {named}")

    def _log_segment(self, study: StudyState, slot: SlotState, report: SegmentReport) -> None:
        self._log.info(
            "segment_reported",
            study_id=study.study_id,
            slot=slot.slot.name,
            lanes=len(report.lanes),
            meta_iterations=slot.iterations,
            seconds=round(report.seconds, 3),
            wait_seconds=round(report.wait_seconds, 3),
            evaluate_seconds=round(report.evaluate_seconds, 3),
            peak_memory_bytes=report.peak_memory_bytes,
        )

    def _drain(self) -> None:
        self._log.info("dispatcher_draining")
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._busy() and time.monotonic() < deadline:
            self._refresh()
            self._take_in(POLL_SECONDS)
        for slot in self._slots.values():
            if slot.lanes and slot.study_id is not None:
                slot.future = None
                self._release(self._studies[slot.study_id], slot, "the dispatcher was stopped")
        for study in self._studies.values():
            spending.save(self._ledger, study)
        takeover.give_up_epoch(self._ledger)

    def _busy(self) -> bool:
        return any(slot.future is not None for slot in self._slots.values())
