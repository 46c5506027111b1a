"""The local executor: one worker process per slot, on this machine.

    submit ─▶ thread of the slot ─▶ worker process ─▶ report | WorkerLost | SegmentFailed

Each slot has one thread for its whole life; it starts the worker lazily, hands it one order at
a time and resolves the future.  A worker that dies fails its future at once, and one that gives
no sign of progress for as long as its order allows is killed, as is one whose segment nobody needs
any more and that does not end it within seconds; the next order gets a fresh one.  Workers die
with this process, however it ends.

A worker that has imported plug-ins trains nothing that does not need them: another study's order
gets a fresh one.

Whose fault a worker's death on a GPU was, its device's or its lanes', is asked of the device: if a
fresh process cannot use it either, it is `WorkerGone`, and no lane is charged.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import structlog

from metaopt.errors import in_words
from metaopt.plugins.described import Described
from service.blobs.base import BlobStore
from service.blobs.directory import DirectoryStore
from service.executors.base import (
    MachineFailed,
    OutOfMemory,
    Plugin,
    SegmentFailed,
    SegmentOrder,
    SegmentReport,
    Slot,
    StorageFailed,
    WorkerGone,
    WorkerHung,
    WorkerHungIdle,
    WorkerLost,
)
from service.executors.blobs import brought, put
from service.executors.channel import ChannelClosed, ChannelSilent, Json
from service.executors.cores import usable_cores
from service.executors.memory import worker_limit
from service.executors.plugins import Plugins
from service.executors.process import DeviceBroken, Hung, WorkerChoice, WorkerProcess
from service.executors.proof import device_fault
from service.executors.scratch import sweep

GIVE_UP_SECONDS = 10.0  # as for a drain: a worker that lives reports between two meta-iterations

log = structlog.get_logger("executor")
_Job = Callable[[], None]
Fault = Callable[[Slot], str | None]
Result = TypeVar("Result")


class LocalExecutor:
    """Runs segments in processes of this machine.

    Args:
        slots: Places for workers.
        log_directory: Workers' stdout and stderr go to `worker-<slot>.log` there.
        compiling: "auto", "always" or "never" (`service.executors.compiling.programs`).
        programs: Compiled programs are there; None is a directory beside the logs.
        data_sets: Packed data sets are there; None is a directory beside the logs.
        blobs: Checkpoints are there; None is a directory beside the logs.
        plugins: What its workers may import, as they described it.
        memory_bytes: Most memory of a worker on a core; None is a share of what there is.
        fault: Says why a slot's device does not work, once its worker has died.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        log_directory: Path,
        *,
        compiling: str = "auto",
        programs: Path | None = None,
        data_sets: Path | None = None,
        blobs: BlobStore | None = None,
        plugins: Plugins | None = None,
        memory_bytes: int | None = None,
        fault: Fault = device_fault,
    ) -> None:
        """Prepare the slots; no process is started yet."""
        log_directory.mkdir(parents=True, exist_ok=True)
        sweep()
        programs = (programs or log_directory / "programs").resolve()
        on_cores = sum(1 for slot in slots if slot.device == "cpu")
        lends = on_cores >= usable_cores().number  # else a core is idle, and compiles beside them
        data_sets = (data_sets or log_directory / "datasets").resolve()
        self._plugins = plugins or Plugins()
        most = worker_limit(on_cores, memory_bytes)
        choice = WorkerChoice(compiling, programs, data_sets, lends, self._plugins.sources, most)
        blobs = blobs or DirectoryStore(log_directory / "checkpoints")
        self._slots = {
            slot.name: _SlotThread(slot, log_directory, choice, blobs, fault) for slot in slots
        }

    @property
    def slots(self) -> list[Slot]:
        """The slots, always the same."""
        return [thread.slot for thread in self._slots.values()]

    @property
    def described(self) -> tuple[Described, ...]:
        """What its workers say of plug-ins, also of those that cannot be used."""
        return self._plugins.described()

    def plugins(self, slot: str) -> frozenset[Plugin]:
        """The plug-ins that a slot can be given work with."""
        return self._plugins.on(self._slots[slot].slot)

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        """Start a segment; the future fails with WorkerLost or SegmentFailed."""
        return self._slots[slot].submit(order)

    def stop(self, slot: str) -> None:
        """Let the segment that was submitted last end early: its report comes soon, `stopped`."""
        self._slots[slot].stop_segment()

    def give_up(self, slot: str) -> None:
        """Give it `GIVE_UP_SECONDS` to end; then its worker is killed, whatever it does."""
        self._slots[slot].give_up_segment()

    def prepare(self, slot: str) -> "Future[None]":
        """Start a slot's worker, if none lives; the future fails with WorkerGone."""
        return self._slots[slot].prepare()

    def worker_pids(self) -> dict[str, int]:
        """The process ids of the live workers by slot."""
        pids = {name: thread.worker_pid() for name, thread in self._slots.items()}
        return {name: pid for name, pid in pids.items() if pid is not None}

    def close(self) -> None:
        """End every worker; idempotent."""
        for thread in self._slots.values():
            thread.stop()
        for thread in self._slots.values():
            thread.join()


class _SlotThread:
    def __init__(
        self,
        slot: Slot,
        log_directory: Path,
        choice: WorkerChoice,
        blobs: BlobStore,
        fault: Fault,
    ) -> None:
        self.slot = slot
        self._blobs = blobs
        self._fault = fault
        self._choice = choice
        self._log_path = log_directory / f"worker-{slot.name.replace(':', '-')}.log"
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._worker: WorkerProcess | None = None
        self._submitted = 0  # numbers of segments, so that none is stopped in the place of another
        self._stopped = 0
        self._given_up = (0, 0.0)  # a segment, and when its worker is killed for it
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # between starting a worker and stopping
        self._thread = threading.Thread(target=self._run, name=f"slot {slot.name}", daemon=True)
        self._thread.start()

    def submit(self, order: SegmentOrder) -> "Future[SegmentReport]":
        self._submitted += 1
        number = self._submitted
        return self._enqueue(lambda: self._carry_out(order, number))

    def stop_segment(self) -> None:
        self._stopped = self._submitted
        worker = self._worker
        if worker is not None and worker.ready:
            self._tell_to_stop(worker)

    def give_up_segment(self) -> None:
        if self._given_up[0] < self._submitted:
            self._given_up = (self._submitted, time.monotonic() + GIVE_UP_SECONDS)

    def _is_wanted(self, number: int) -> bool:
        given_up, deadline = self._given_up
        return number > given_up or time.monotonic() < deadline

    def _tell_to_stop(self, worker: WorkerProcess) -> None:
        with suppress(ChannelClosed):  # its end is seen by who waits for it
            worker.send_at_once({"stop": self._stopped})

    def prepare(self) -> "Future[None]":
        return self._enqueue(self._prepare)

    def _enqueue(self, work: Callable[[], Result]) -> "Future[Result]":
        future: Future[Result] = Future()
        if self._stopping.is_set():
            future.set_exception(WorkerGone("the executor is closed"))
        else:
            self._jobs.put(lambda: self._resolve(future, work))
        return future

    def worker_pid(self) -> int | None:
        worker = self._worker
        return worker.pid if worker is not None and worker.alive() else None

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
            if self._worker is not None:
                self._worker.kill()
        self._jobs.put(None)

    def join(self) -> None:
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._end_worker()

    def _resolve(self, future: "Future[Result]", work: Callable[[], Result]) -> None:
        try:
            result = work()
        except (WorkerLost, SegmentFailed) as error:
            future.set_exception(error)
        except Exception as error:  # a future must never stay open
            self._end_worker()
            future.set_exception(WorkerLost(f"slot {self.slot.name}: {error!r}"))
        else:
            future.set_result(result)

    def _prepare(self) -> None:
        if self._worker is not None and not self._worker.alive():
            self._end_worker()
        self._live_worker()

    def _carry_out(self, order: SegmentOrder, number: int) -> SegmentReport:
        needed = frozenset(Plugin(p["family"], p["name"], p["digest"]) for p in order.plugins)
        self._leave_plugins(needed)
        worker = self._live_worker()
        worker.imported |= needed
        with ExitStack() as stack:
            with self._storage():
                here = stack.enter_context(brought(self._blobs, order))
            report = self._answered(worker, here, number)
            with self._storage():
                return put(self._blobs, order, report)

    @contextmanager
    def _storage(self) -> Iterator[None]:
        """What the store of blobs refuses is the machine's fault, and the lanes are let go of."""
        try:
            yield
        except OSError as error:
            self._end_worker()
            raise StorageFailed(in_words(error), kind=type(error).__name__) from None

    def _answered(self, worker: WorkerProcess, order: SegmentOrder, number: int) -> SegmentReport:
        """What a worker reports of an order whose files are here."""
        message = {"order": order.to_json(), "number": number}
        try:
            if number <= self._stopped:  # while the worker was started
                self._tell_to_stop(worker)
            answer = worker.call(
                message,
                order.patience_seconds,
                order.hang_seconds,
                while_=lambda: self._is_wanted(number),
            )
        except ChannelClosed:
            if worker.alive() and not self._is_wanted(number):
                raise self._given_up_on(worker) from None
            raise self._loss(self._end_of(worker)) from None
        except Hung as hung:
            raise self._hung(worker, hung) from None
        if "lost" in answer:
            self._end_worker()
            raise self._loss(answer["lost"]["message"])
        if "error" in answer:
            if answer["error"]["out_of_memory"] and self.slot.device == "cpu":
                self._end_worker()  # its heap is in pieces: the next lanes get a whole one
            raise _segment_error(answer["error"])
        return SegmentReport.from_json(answer["report"])

    def _leave_plugins(self, needed: frozenset[Plugin]) -> None:
        """End a worker that has imported anything else: who knows what that has changed there."""
        worker = self._worker
        if worker is not None and worker.alive() and not worker.imported <= needed:
            self._end_worker()

    def _loss(self, how: str) -> WorkerLost:
        cause = None if self._stopping.is_set() else self._fault(self.slot)
        return WorkerLost(how) if cause is None else WorkerGone(f"{how}; its device: {cause}")

    def _hung(self, worker: WorkerProcess, hung: Hung) -> WorkerLost:
        self._end_worker()
        how = f"the worker of slot {self.slot.name} (process {worker.pid}) {hung}; it was killed"
        if hung.doing is None:
            return WorkerHungIdle(how)
        cause = None if self._stopping.is_set() else self._fault(self.slot)
        return WorkerHung(how) if cause is None else WorkerHungIdle(f"{how}; its device: {cause}")

    def _given_up_on(self, worker: WorkerProcess) -> WorkerLost:
        self._end_worker()
        return WorkerLost(
            f"the worker of slot {self.slot.name} (process {worker.pid}) did not end its segment "
            f"within {GIVE_UP_SECONDS:.0f} s, although its study had ended; it was killed"
        )

    def _live_worker(self) -> WorkerProcess:
        worker = self._worker
        if worker is not None and not worker.alive():  # and the lanes it held are gone too
            raise WorkerGone(f"{self._end_of(worker)}, idle")
        return worker or self._start_worker()

    def _end_of(self, worker: WorkerProcess) -> str:
        name, how = self.slot.name, self._end_worker()
        return f"the worker of slot {name} (process {worker.pid}) died: {how}"

    def _start_worker(self) -> WorkerProcess:
        with self._lock:
            if self._stopping.is_set():
                raise WorkerGone("the executor is closed")
            try:
                worker = self._worker = WorkerProcess(self.slot, self._log_path, self._choice)
            except OSError as error:
                raise WorkerGone(f"slot {self.slot.name}: {error}") from None
        log.info("worker_started", slot=self.slot.name, worker_pid=worker.pid)
        try:
            worker.wait_until_ready()
        except DeviceBroken as broken:
            self._end_worker()
            raise WorkerGone(self._not_started(str(broken))) from None
        except ChannelSilent as silent:
            self._end_worker()
            raise WorkerGone(self._not_started(f"it said {silent}")) from None
        except ChannelClosed:
            how = self._end_worker()
            raise WorkerGone(self._not_started(f"{how}; see {self._log_path.name}")) from None
        return worker

    def _not_started(self, why: str) -> str:
        return f"the worker of slot {self.slot.name} could not start: {why}"

    def _end_worker(self) -> str:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is None:
            return ""
        how = worker.end()
        log.info("worker_ended", slot=self.slot.name, worker_pid=worker.pid, how=how)
        return how


def _segment_error(error: Json) -> SegmentFailed:
    kind = SegmentFailed
    if error["machine"]:
        kind = StorageFailed if error["storage"] else MachineFailed
    elif error["out_of_memory"]:
        kind = OutOfMemory
    return kind(error["message"], kind=error["kind"], invalid=error["invalid"], lane=error["lane"])
