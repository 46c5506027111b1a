"""Workers that hang, and segments that are told to end early: real processes."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from metaopt.plugins.described import Needed
from metaopt.plugins.sources import Sources
from service.blobs.directory import DirectoryStore
from service.executors.base import (
    SegmentOrder,
    Slot,
    WorkerGone,
    WorkerHung,
    WorkerHungIdle,
    WorkerLost,
)
from service.executors.local import LocalExecutor
from service.executors.plugins import describe_plugins
from service.executors.progress import Progress, Stopped
from service.executors.segment import Segments
from tests.fakes.processes import runs
from tests.service.executors.test_local import FOR_EVER, admit, order, report_of
from tests.waiting import PATIENCE, wait_until, wait_until_busy

HUGE_BANK = {
    "split": "validation",
    "seed": 1,
    "tasks": 10_000,
    "k_shot": 5,
    "q_query": 5,
    "steps": 200,
    "transductive": True,
}


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    return DirectoryStore(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="module")
def executor(
    tmp_path_factory: pytest.TempPathFactory, blobs: DirectoryStore
) -> Iterator[LocalExecutor]:
    logs = tmp_path_factory.mktemp("logs")
    executor = LocalExecutor([Slot("cpu:0", "cpu")], logs, blobs=blobs)
    yield executor
    executor.close()


def test_a_sign_is_given_once_a_second_and_says_what_is_done() -> None:
    sent, seconds = [], iter([0.0, 0.0, 0.4, 0.9, 1.1, 1.1, 1.5, 2.2, 2.2])
    progress = Progress(sent.append, lambda: next(seconds))
    progress.doing("training")
    assert [progress.go_on() for _ in range(5)] == [True] * 5
    assert sent == [{"progress": "training"}] * 3


def test_of_what_nobody_has_timed_each_sign_says_how_long_silence_may_last() -> None:
    sent: list[dict[str, object]] = []
    now = [0.0]
    progress = Progress(sent.append, lambda: now[0])

    def patience_after(*pieces: float) -> object:
        for seconds in pieces:
            now[0] += seconds
            progress.go_on()
        return sent[-1].get("patience")

    progress.begin(1, floor=60.0)
    assert sent == [{"progress": "beginning", "patience": 180.0}]
    progress.doing("preparing")  # its pieces differ: nothing follows from the first ones
    assert patience_after(5.0, 2.0) == 180.0
    progress.doing("compiling", patience=900.0)
    assert patience_after(2.0) == 900.0
    progress.doing("training")
    assert patience_after() == patience_after(0.0) == 180.0  # heard before the first one
    assert patience_after(0.25) == 60.0 + 10 * 0.25  # said at once
    assert patience_after(7.0, 2.0) == 60.0 + 10 * 7.0
    progress.doing("evaluating")
    assert patience_after() == 180.0
    progress.begin(2)
    assert patience_after(2.0, 2.0) is None  # the order says it


def test_an_order_is_stopped_by_its_number_and_the_next_is_not() -> None:
    progress = Progress()
    progress.begin(4)
    progress.stop(4)
    assert not progress.go_on()
    with pytest.raises(Stopped):
        progress.check()
    progress.begin(5)
    assert progress.go_on()


def test_a_frozen_worker_is_killed_and_replaced(executor: LocalExecutor) -> None:
    report_of(executor.submit("cpu:0", order("before", study_id="before")))
    endless = order(study_id="endless", iterations=FOR_EVER, patience_seconds=5.0)
    future = executor.submit("cpu:0", endless)
    worker = at_work(executor)
    os.kill(worker, signal.SIGSTOP)
    with pytest.raises(
        WorkerHung, match=rf"process {worker}\) hung: .* 5 s while training"
    ) as hung:
        future.result(timeout=30)
    assert not isinstance(hung.value, WorkerGone)
    assert not runs(worker)
    assert len(report_of(executor.submit("cpu:0", order(study_id="after"))).lanes) == 2


def test_who_works_is_not_killed_however_long(executor: LocalExecutor) -> None:
    future = executor.submit(
        "cpu:0", order(study_id="long", iterations=FOR_EVER, patience_seconds=4.0)
    )
    with pytest.raises(TimeoutError):
        future.result(timeout=6)
    executor.stop("cpu:0")
    assert report_of(future).stopped


def test_a_worker_that_froze_idle_is_no_lanes_fault(executor: LocalExecutor) -> None:
    report_of(executor.submit("cpu:0", order(study_id="idle")))
    worker = executor.worker_pids()["cpu:0"]
    os.kill(worker, signal.SIGSTOP)
    with pytest.raises(WorkerHungIdle, match="had not begun its order") as gone:
        executor.submit("cpu:0", order(study_id="idle2", patience_seconds=2.0)).result(timeout=30)
    assert isinstance(gone.value, WorkerGone)
    assert not runs(worker)


def test_training_that_is_stopped_keeps_what_was_trained(
    executor: LocalExecutor, blobs: DirectoryStore
) -> None:
    executor.prepare("cpu:0").result(timeout=300)
    lanes = [replace(admit(name), horizon=2 * FOR_EVER) for name in "ab"]
    first = order("half", study_id="half", admit=lanes, iterations=FOR_EVER)
    future = executor.submit("cpu:0", first)
    at_work(executor)
    executor.stop("cpu:0")
    report = future.result(timeout=20)
    assert report.stopped and len(report.lanes) == 2
    for lane in report.lanes:
        assert 0 < lane.meta_iteration < FOR_EVER and lane.scores is None
        assert lane.checkpoint in blobs.keys("half")
    more = order("half", study_id="half", admit=[], evaluate=["a"])
    after = report_of(executor.submit("cpu:0", more))
    assert [lane.meta_iteration for lane in after.lanes] == [
        lane.meta_iteration + 3 for lane in report.lanes
    ]


def test_a_huge_evaluation_is_stopped_within_moments(
    executor: LocalExecutor, blobs: DirectoryStore
) -> None:
    executor.prepare("cpu:0").result(timeout=300)
    huge = order("huge", study_id="huge", bank=HUGE_BANK, at_end="model")
    future = executor.submit("cpu:0", huge)
    with pytest.raises(TimeoutError):
        future.result(timeout=3)
    executor.stop("cpu:0")
    report = future.result(timeout=30)
    assert report.stopped
    assert [(lane.meta_iteration, lane.scores) for lane in report.lanes] == [(3, None)] * 2
    assert blobs.keys("huge") == {lane.checkpoint for lane in report.lanes}


class _Impatient(Progress):
    """Stops once it has been told so many times that an evaluation goes on."""

    def check(self) -> None:
        raise Stopped


def test_a_lane_at_its_horizon_that_was_not_evaluated_leaves_a_checkpoint(tmp_path: Path) -> None:
    at_end = order(tmp_path, evaluate=["a", "b"], iterations=100)
    report = Segments("cpu", progress=_Impatient()).run(at_end)
    assert report.stopped
    assert all(lane.meta_iteration == 100 and lane.checkpoint for lane in report.lanes)


HANGS, KILLS = "time.sleep(10**6)", "os.kill(os.getpid(), signal.SIGKILL)"

TASKS = """
import os, signal, time
from dataclasses import replace
from metaopt.tasks.registry import TASKS
from metaopt.tasks.regression import Linear

class Bad(Linear):
    def sample(self, split, keys, k_shot, q_query):
        {does}

BAD = replace(TASKS.get("linear"), name="bad", make=lambda *_: Bad(1))
"""


@pytest.mark.parametrize(
    ("does", "error", "says"),
    [
        (HANGS, WorkerHung, "hung: no sign of progress for 3 s while looking for a program"),
        (KILLS, WorkerLost, "SIGKILL"),
    ],
)
def test_a_plugin_that_hangs_or_kills_its_worker_costs_its_own_segment(
    tmp_path: Path, does: str, error: type[WorkerLost], says: str
) -> None:
    file = tmp_path / "bad.py"
    file.write_text(TASKS.format(does=does))
    slots = [Slot("cpu:0", "cpu")]
    plugins = describe_plugins(Sources(files=(str(file),)), slots, os.environ)
    (one,) = plugins.described()
    assert one.refused is None
    needed = Needed(one.family, one.name, one.package, one.version, one.digest)
    signature = order().signature
    bad = order(
        signature={**signature, "tasks": {"kind": "bad", "k_shot": 5, "q_query": 5}},
        plugins=[needed.to_json()],
        patience_seconds=1.0,
        hang_seconds=1.0,
    )
    executor = LocalExecutor(slots, tmp_path / "logs", plugins=plugins)
    try:
        executor.prepare("cpu:0").result(timeout=300)
        begun = time.monotonic()
        with pytest.raises(error, match=says) as lost:
            executor.submit("cpu:0", bad).result(timeout=120)
        assert not isinstance(lost.value, WorkerGone)
        # Its stage may be silent for three seconds; before it lies the import of the plug-in.
        assert time.monotonic() - begun < 3.0 + 5.0 * PATIENCE
    finally:
        executor.close()


@pytest.mark.night
def test_who_holds_the_interpreter_for_two_minutes_is_not_killed(tmp_path: Path) -> None:
    """By the deadlines as they are: a first meta-iteration has three times 60 seconds."""
    file, marker = tmp_path / "busy.py", tmp_path / "seconds"
    does = f"""
        begun = time.monotonic()
        while time.monotonic() - begun < 120:
            re.match(r'(a|aa)+$', 'a' * 38 + 'b')  # half a minute each, without a moment between
        with open({str(marker)!r}, 'a') as told: told.write(str(time.monotonic() - begun) + chr(10))
        return super().sample(split, keys, k_shot, q_query)"""
    file.write_text(TASKS.format(does=does).replace("import os,", "import os, re,"))
    slots = [Slot("cpu:0", "cpu")]
    plugins = describe_plugins(Sources(files=(str(file),)), slots, os.environ)
    (one,) = plugins.described()
    needed = Needed(one.family, one.name, one.package, one.version, one.digest)
    busy = order(
        signature={
            **order().signature,
            "tasks": {"kind": "bad", "k_shot": 5, "q_query": 5},
        },
        plugins=[needed.to_json()],
        iterations=1,
        evaluate=[],
        patience_seconds=60.0,
        hang_seconds=60.0,
    )
    executor = LocalExecutor(slots, tmp_path / "logs", plugins=plugins)
    try:
        assert len(executor.submit("cpu:0", busy).result(timeout=900).lanes) == 2
    finally:
        executor.close()
    assert any(float(line) >= 120 for line in marker.read_text().splitlines())


def at_work(executor: LocalExecutor) -> int:
    """Return the worker that carries out an order, once it has used its core for a while."""
    wait_until(lambda: bool(executor.worker_pids()), 30, what="a worker")
    worker = executor.worker_pids()["cpu:0"]
    wait_until_busy(worker)
    return worker


def test_orders_keep_their_patience() -> None:
    assert SegmentOrder.from_json(order(patience_seconds=7.0).to_json()).patience_seconds == 7.0
