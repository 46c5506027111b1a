"""Slots: what their workers are told, and what comes back from them.

    free ──submit──▶ busy ──take_in──▶ a report ──▶ the ledger writes it, lanes that go on stay
      ▲                │                 or
      └────────────────┴─────────────▶ a loss ───▶ the ledger writes it, lanes back to the queue

A slot whose machine failed is left alone for a while, longer each time.  So is one whose worker
could not start, had hung idle, or lost its device; then a worker has to start before it gets lanes
again.  Once that
can be said of every slot, and some are on devices, the machine has to be looked at anew.
A future puts no more than its slot's name into the queue: all else is done by one thread.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from queue import Empty, SimpleQueue

import structlog

from metaopt.errors import in_words
from service.blobs.base import PrefixGone
from service.db.roles import ROLES
from service.db.states import TrialStatus
from service.dispatcher.lifecycle.failure import failing_alone
from service.dispatcher.lifecycle.handover import hand_over, regroup
from service.dispatcher.open_trials import GOING_ON
from service.dispatcher.pace import HANG_SECONDS, Pace
from service.dispatcher.pruning.decisions import BadReport, LaneOutcome, check_trivial, judge_report
from service.dispatcher.retries import decide_retry, halved
from service.dispatcher.scheduler.budget import affordable_iterations
from service.dispatcher.scheduler.orders import lane_iterations_ahead, segment_order
from service.dispatcher.state import Ahead, Group, SlotState, StudyState, TrialState
from service.dispatcher.store.ledger import Ledger
from service.executors.base import (
    Executor,
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    SegmentOrder,
    SegmentReport,
    StorageFailed,
    WorkerGone,
    WorkerHung,
    WorkerLost,
)

LONGEST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_OF_MACHINE = 8.0  # soon after a disk has room again, or is there, it is tried again
FAILURES = 2  # in a row, after which a slot is told to be out
SHARE = 64  # open trials that an order may look at, to say what is ahead of them
BAD_REPORT, NOT_ORDERED = "BadReport", "NotOrdered"
STILL_HELD = BAD_REPORT, NOT_ORDERED  # the only errors after which a worker still holds its lanes

log = structlog.get_logger("dispatcher")


class SlotsLost(Exception):
    """No slot works any more: which there are has to be found anew."""


class Slots:
    """The slots of an executor, as one dispatcher uses them.

    Args:
        ledger: Writes, as one epoch.
        executor: Where segments run.
        segment_seconds: Aimed length of a segment.
        hang_seconds: Least time without a sign of progress after which a worker has hung.
    """

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        *,
        segment_seconds: float,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._segment_seconds = segment_seconds
        self._hang_seconds = hang_seconds
        self._reports = 0  # segments that were carried out
        self._states = {
            slot.name: SlotState(slot, plugins=executor.plugins(slot.name))
            for slot in executor.slots
        }
        self._ended: SimpleQueue[str | None] = SimpleQueue()  # slots whose segment has ended
        self._log = log.bind(epoch=ledger.epoch)

    def __iter__(self) -> Iterator[SlotState]:
        return iter(self._states.values())

    def __len__(self) -> int:
        return len(self._states)

    def free(self) -> list[SlotState]:
        """Those that may have an order now."""
        return [slot for slot in self._rested() if not slot.unprepared]

    def warm(self) -> None:
        """Start the workers of cores, once, while a study is being loaded.

        One that cannot start is found out by its first order.  A worker on a GPU would hold memory
        there.
        """
        for slot in self:
            if not slot.warmed and slot.slot.device == "cpu":
                self._executor.prepare(slot.slot.name)
            slot.warmed = True

    def prepare(self) -> None:
        """Start workers, without an order, where the last one was lost for no lane's fault.

        Raises:
            SlotsLost: That was in vain everywhere.
        """
        for slot in self._rested():
            if slot.unprepared and slot.preparing is None:
                slot.preparing = self._executor.prepare(slot.slot.name)
                slot.preparing.add_done_callback(lambda _: self.wake())
            elif slot.preparing is not None and slot.preparing.done():
                self._prepared(slot, slot.preparing)
        if self._lost():
            raise SlotsLost("; ".join(dict.fromkeys(self.out().values())))

    def out(self, fault: str | None = None) -> dict[str, str]:
        """Why slots have stopped working, by their names.

        Args:
            fault: Of what all of them need.
        """
        if fault is not None:
            return dict.fromkeys(self._states, fault)
        return {
            slot.slot.name: slot.trouble
            for slot in self
            if slot.trouble is not None and (slot.hung or slot.failed_starts >= FAILURES)
        }

    def _lost(self) -> bool:
        gone = all(slot.unprepared and slot.failed_starts >= FAILURES for slot in self)
        return gone and any(slot.slot.device != "cpu" for slot in self)

    def _rested(self) -> list[SlotState]:
        now = time.monotonic()
        return [slot for slot in self if slot.future is None and now >= slot.not_before]

    def _prepared(self, slot: SlotState, future: "Future[None]") -> None:
        slot.preparing = None
        error = future.exception()
        if error is None:
            slot.unprepared, slot.trouble = False, None
            self._log.info("slot_prepared", slot=slot.slot.name)
        else:
            self._rest(slot, error)
            self._log.warning("slot_out", slot=slot.slot.name, cause=str(error))

    def _rest(self, slot: SlotState, error: BaseException) -> None:
        """Leave a slot alone for a while, longer each time."""
        slot.trouble = str(error)
        slot.failed_starts += 1
        slot.unprepared = isinstance(error, WorkerGone)
        of_machine = isinstance(error, MachineFailed)
        longest = LONGEST_PAUSE_OF_MACHINE if of_machine else LONGEST_PAUSE_SECONDS
        pause = min(longest, 2.0**slot.failed_starts / 2)
        slot.not_before = time.monotonic() + pause

    def busy(self) -> bool:
        """Whether any segment is under way."""
        return any(slot.future is not None for slot in self)

    def of(self, study: StudyState) -> list[SlotState]:
        """Those with lanes of a study."""
        return [slot for slot in self if slot.lanes and slot.study_id == study.study_id]

    def occupied(self) -> Counter[str]:
        """How many slots train the lanes of each study."""
        return Counter(slot.study_id for slot in self if slot.lanes and slot.study_id)

    def able(self, study: StudyState) -> int:
        """How many can train a study, and train no other."""
        return sum(
            slot.takes(study.needs, study.requires)
            and (not slot.lanes or slot.study_id == study.study_id)
            for slot in self
        )

    def release(self, study: StudyState, slot: SlotState, cause: str) -> None:
        """Put a slot's lanes back into the queue."""
        self._ledger.release(study, slot.lanes, cause)
        slot.lanes = []

    def submit(
        self,
        slot: SlotState,
        study: StudyState,
        group: Group,
        keep: list[TrialState],
        admit: list[TrialState],
    ) -> None:
        """Order a slot's next segment: of the lanes that stay, and of admitted ones."""
        if (slot.study_id, slot.group) != (study.study_id, group) or not keep:
            slot.seconds.clear()
        try:
            order = self._order(slot, study, group, keep, admit)
        except PrefixGone:
            raise  # all is loaded again, and what was removed let go of
        except OSError as error:
            slot.study_id, slot.group, slot.lanes = study.study_id, group, [*keep, *admit]
            self._lose(study, slot, StorageFailed(in_words(error), kind=NOT_ORDERED))
            return
        pace, floor = study.paces.get(group, Pace()), self._hang_seconds
        order = replace(
            order,
            patience_seconds=pace.patience(order, floor),
            hang_seconds=None if pace.knows(order) else floor,
        )
        slot.study_id, slot.group, slot.lanes = study.study_id, group, [*keep, *admit]
        slot.iterations, slot.trivial_tasks = order.iterations, order.trivial_tasks
        slot.evaluates, slot.stopping, slot.given_up = order.evaluates, False, False
        slot.held = {trial.trial_id for trial in slot.lanes}
        slot.ordered_at = self._ledger.now()
        slot.longest_wait_seconds = time.monotonic() - study.running_since
        slot.future = self._executor.submit(slot.slot.name, order)
        slot.future.add_done_callback(lambda _: self._ended.put(slot.slot.name))

    def _order(
        self,
        slot: SlotState,
        study: StudyState,
        group: Group,
        keep: list[TrialState],
        admit: list[TrialState],
    ) -> SegmentOrder:
        return segment_order(
            study,
            group,
            slot,
            keep=keep,
            admit=admit,
            store=self._ledger.store,
            segment_seconds=self._segment_seconds,
            ahead=self._ahead_of(study, group),
            workers=1 + self._others_with(study, group, slot),
            most_iterations=self._affordable(study, group, len(keep) + len(admit)),
            trivial=not self._others_score_trivial(study, slot),
        )

    def stop(self, slots: Iterable[SlotState]) -> None:
        """Let segments that are under way on these end early, with what they have trained."""
        for slot in slots:
            if slot.future is not None and not slot.stopping:
                slot.stopping = True
                self._executor.stop(slot.slot.name)

    def give_up(self, slots: Iterable[SlotState]) -> None:
        """Have these free soon, whatever becomes of their lanes: the study has ended."""
        for slot in slots:
            if slot.future is not None and not slot.given_up:
                slot.given_up = True
                self._executor.give_up(slot.slot.name)

    def wake(self) -> None:
        """End `wait` though no segment has ended; from any thread."""
        self._ended.put(None)

    def wait(self, timeout: float) -> tuple[SlotState, "Future[SegmentReport]"] | None:
        """A slot whose segment has ended, and its future; None after `timeout` or a wake."""
        try:
            name = self._ended.get(timeout=timeout)
        except Empty:
            return None
        if name is None:
            return None
        slot = self._states[name]
        future, slot.future = slot.future, None
        return None if future is None else (slot, future)

    def take_in(self, study: StudyState, slot: SlotState, future: "Future[SegmentReport]") -> bool:
        """Take in what a segment of a study brought; False if it was lost."""
        try:
            report = future.result()
        except (WorkerLost, SegmentFailed) as error:
            self._lose(study, slot, error)
            return False
        if not report.trained:  # its lanes wait for their program
            slot.iterations = 0
        outcomes = self._judge(study, slot, report)
        if outcomes is None:
            return False
        if report.stopped:  # lanes of a later chunk may have trained less, and count as much
            slot.iterations = max((outcome.trained for outcome in outcomes), default=0)
        self._write(study, slot, outcomes, report)
        slot.failed_starts, slot.trouble, slot.hung = 0, None, False
        slot.lane_chunk = report.lane_chunk
        self._reports += 1
        if not report.stopped:
            self._keep_pace(study, slot, report)
        hand_over(self._ledger, study, slot.lanes)
        slot.lanes = [trial for trial in slot.lanes if trial.status == TrialStatus.RUNNING]
        self._log_segment(study, slot, report)
        return True

    def _keep_pace(self, study: StudyState, slot: SlotState, report: SegmentReport) -> None:
        if slot.iterations:
            slot.seconds.append(report.train_seconds / slot.iterations)
        assert slot.group is not None
        pace = study.paces.get(slot.group, Pace())
        evaluated = slot.evaluates and report.trained
        study.paces[slot.group] = pace.after(report, slot.iterations, evaluated=evaluated)

    def _judge(
        self, study: StudyState, slot: SlotState, report: SegmentReport
    ) -> list[LaneOutcome] | None:
        """What each lane's report means; None if it means nothing, or cannot be judged."""
        with failing_alone(self._ledger, study):
            try:
                check_trivial(report, slot.trivial_tasks)
                return judge_report(study, slot.lanes, report, slot.iterations)
            except BadReport as error:
                self._lose(study, slot, SegmentFailed(str(error), kind=BAD_REPORT))
        return None

    def _write(
        self,
        study: StudyState,
        slot: SlotState,
        outcomes: Sequence[LaneOutcome],
        report: SegmentReport,
    ) -> None:
        now = time.monotonic()
        shared = sum(1 for other in self if not other.lanes or other.study_id == study.study_id)
        slot_seconds = (now - study.accounted_to) * shared
        study.clock(now)
        with failing_alone(self._ledger, study):
            self._ledger.report(study, slot, outcomes, report, slot_seconds)
            study.accounted_to = now

    def _others_with(self, study: StudyState, group: Group, slot: SlotState) -> int:
        """How many other slots have lanes of a group."""
        others = (other for other in self.of(study) if other is not slot)
        return sum(1 for other in others if other.group == group)

    def _others_score_trivial(self, study: StudyState, slot: SlotState) -> bool:
        """Whether another slot scores trivial predictors for a study at the moment."""
        others = (other for other in self.of(study) if other is not slot and other.future)
        return any(other.trivial_tasks for other in others)

    @staticmethod
    def _ahead_of(study: StudyState, group: Group) -> int:
        """What is still to be trained, which workers take as advice: looked at anew once there
        were orders enough that no order pays for more trials than it has lanes.
        """
        known = study.ahead.get(group)
        if known is None or known.orders * SHARE >= study.open.count(GOING_ON):
            known = study.ahead[group] = Ahead(lane_iterations_ahead(study, group))
        known.orders += 1
        return known.lane_iterations

    def _affordable(self, study: StudyState, group: Group, lanes: int) -> int | None:
        """For how many meta-iterations the budget of its search lasts, if that pays for it."""
        if not ROLES[group.role].paid_by_search:
            return None
        return affordable_iterations(study, self, lanes)

    def _lose(self, study: StudyState, slot: SlotState, error: WorkerLost | SegmentFailed) -> None:
        lanes, slot.lanes = slot.lanes, []
        if not isinstance(error, SegmentFailed) or error.kind not in STILL_HELD:
            slot.held = set()
        if isinstance(error, MachineFailed):
            for trial in lanes:
                of_storage = isinstance(error, StorageFailed)
                trial.machine = trial.machine.one_more(self._reports, of_all=of_storage)
        losses = [(trial, decide_retry(trial, error, alone=len(lanes) == 1)) for trial in lanes]
        with failing_alone(self._ledger, study):
            self._ledger.lose(study, slot.slot.name, losses, str(error))
            regroup(study, lanes)
        if isinstance(error, OutOfMemory) and slot.group is not None:
            study.lane_limits[slot.group] = halved(len(lanes))
        if isinstance(error, WorkerGone | MachineFailed):
            self._rest(slot, error)
        if isinstance(error, WorkerHung):
            slot.hung, slot.trouble = True, str(error)
        self._log_loss(study, slot, lanes, error)

    def _log_loss(
        self, study: StudyState, slot: SlotState, lanes: Sequence[TrialState], error: Exception
    ) -> None:
        self._log.warning(
            "worker_lost",
            study_id=study.study_id,
            slot=slot.slot.name,
            kind=type(error).__name__,
            cause=str(error),
            meta_iterations=slot.iterations,  # ordered, so at most lost
            trials=[{"trial_id": t.trial_id, "attempt": t.attempt} for t in lanes],
        )

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
