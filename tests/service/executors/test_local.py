"""The local executor with real workers: what it promises the dispatcher."""

import errno
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
import torch

from metaopt.keys import key
from metaopt.population.signature import signature_of
from service.blobs.directory import DirectoryStore
from service.executors.base import (
    Admit,
    SegmentFailed,
    SegmentOrder,
    SegmentReport,
    Slot,
    WorkerGone,
    WorkerLost,
)
from service.executors.local import LocalExecutor
from service.executors.process import worker_environment
from service.executors.scratch import PREFIX, sweep
from service.executors.segment import Segments
from tests.fakes.processes import children, kill, runs
from tests.waiting import wait_until, wait_until_busy

PARAMS = {"inner_lr": 0.01, "inner_steps": 1, "outer_lr": 0.001, "meta_batch": 4}
FOR_EVER = 10_000_000


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    return DirectoryStore(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, blobs: DirectoryStore
) -> Iterator[LocalExecutor]:
    """One executor for the tests that leave its worker alive or dead, as they like."""
    logs = tmp_path_factory.mktemp("logs")
    executor = LocalExecutor([Slot("cpu:0", "cpu")], logs, blobs=blobs)
    yield executor
    executor.close()


def order(
    directory: Path | str | None = None, iterations: int = 3, **changes: object
) -> SegmentOrder:
    """An order.

    Args:
        directory: As a worker gets it, a path; as an executor, a prefix.
    """
    signature = signature_of(
        tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        model={"kind": "mlp", "widths": [8], "activation": "relu"},
        algorithm="maml",
        params=PARAMS,
        step_cap=1,
        test_cap=2,
    )
    bank = {"split": "validation", "seed": 1, "tasks": 4, "k_shot": 5, "q_query": 5, "steps": 2}
    fields = {
        "signature": signature.to_json(),
        "study_id": "s",
        "evict": [],
        "admit": [admit("a"), admit("b")],
        "iterations": iterations,
        "evaluate": ["a"],
        "bank": {**bank, "transductive": True},
        "checkpoint_directory": str(directory) if directory else None,
        **changes,
    }
    return SegmentOrder(**fields)  # type: ignore[arg-type]


def admit(name: str, checkpoint: str | None = None, digest: str | None = None) -> Admit:
    return Admit(name, PARAMS, key(name), horizon=100, checkpoint=checkpoint, digest=digest)


def report_of(future: "Future[SegmentReport]") -> SegmentReport:
    return future.result(timeout=300)


def test_a_segment_trains_evaluates_and_checkpoints(
    shared: LocalExecutor, blobs: DirectoryStore
) -> None:
    report = report_of(shared.submit("cpu:0", order("s")))
    first, second = report.lanes
    assert (first.trial_id, first.meta_iteration) == ("a", 3)
    assert first.scores is not None and len(first.scores) == 4
    assert first.curve is not None and len(first.curve) == 3
    assert second.scores is None
    assert second.checkpoint == f"s/b-{second.digest}.safetensors"
    content = blobs.read(second.checkpoint)
    assert hashlib.sha256(content).hexdigest() == second.digest
    assert blobs.keys("s") == {first.checkpoint, second.checkpoint}
    assert report.peak_memory_bytes > 1 << 20


def test_the_time_between_two_segments_is_waiting(shared: LocalExecutor) -> None:
    report_of(shared.submit("cpu:0", order(study_id="before")))
    begun = time.perf_counter()
    first = report_of(shared.submit("cpu:0", order(study_id="wait")))
    answered = time.perf_counter()
    idle = time.perf_counter() - answered
    second = report_of(shared.submit("cpu:0", order(study_id="wait", admit=[], evaluate=[])))
    spent = time.perf_counter() - begun
    assert second.wait_seconds >= idle
    assert first.seconds + second.wait_seconds + second.seconds <= spent
    assert second.seconds >= second.train_seconds > 0


def test_a_lane_at_its_horizon_leaves_no_checkpoint(tmp_path: Path) -> None:
    lanes = [Admit("a", PARAMS, key("a"), horizon=3), admit("b")]
    report = Segments("cpu").run(order(tmp_path, admit=lanes, iterations=3))
    ended, alive = report.lanes
    assert (ended.meta_iteration, ended.checkpoint, ended.digest) == (3, None, None)
    assert ended.scores is not None
    assert [str(path) for path in tmp_path.iterdir()] == [alive.checkpoint]


def test_lanes_stay_until_they_are_evicted_or_the_study_changes(shared: LocalExecutor) -> None:
    report_of(shared.submit("cpu:0", order("first", study_id="first")))
    more = order("first", study_id="first", admit=[], evict=["a", "unknown"], evaluate=[])
    report = report_of(shared.submit("cpu:0", more))
    assert [(lane.trial_id, lane.meta_iteration) for lane in report.lanes] == [("b", 6)]
    other = report_of(shared.submit("cpu:0", order("second", study_id="second")))
    assert [lane.meta_iteration for lane in other.lanes] == [3, 3]


def test_a_lane_resumes_from_its_checkpoint(shared: LocalExecutor) -> None:
    whole = report_of(shared.submit("cpu:0", order(iterations=6, study_id="whole"))).lanes[0]
    half = report_of(shared.submit("cpu:0", order("half", study_id="half"))).lanes
    resumed = [admit(lane.trial_id, lane.checkpoint, lane.digest) for lane in half]
    again = report_of(shared.submit("cpu:0", order(study_id="again", admit=resumed)))
    assert again.lanes[0].meta_iteration == 6
    assert again.lanes[0].scores == whole.scores


def test_a_damaged_checkpoint_names_its_lane_and_the_others_go_on(
    shared: LocalExecutor, blobs: DirectoryStore
) -> None:
    _, b = report_of(shared.submit("cpu:0", order("first", study_id="first"))).lanes
    a, _ = report_of(shared.submit("cpu:0", order("second", study_id="second"))).lanes
    lanes = [admit(lane.trial_id, lane.checkpoint, lane.digest) for lane in (b, a)]
    path = blobs.path(str(a.checkpoint))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for damage in ("must have SHA-256", "cannot be read"):
        with pytest.raises(SegmentFailed, match=f"{path.name} {damage}") as failed:
            report_of(shared.submit("cpu:0", order(study_id="third", admit=lanes)))
        assert (failed.value.kind, failed.value.lane) == ("CorruptCheckpoint", "a")
        path.unlink(missing_ok=True)
    report = report_of(shared.submit("cpu:0", order(study_id="third", admit=[*lanes[:1]])))
    assert [lane.meta_iteration for lane in report.lanes] == [6]


def test_a_segment_that_fails_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, room = Path.replace, iter([True])

    def fill(source: Path, target: Path) -> Path:
        if next(room, False):
            return replace(source, target)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fill)
    with pytest.raises(OSError, match="No space left"):
        Segments("cpu").run(order(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_impossible_order_fails_with_its_reason_and_the_worker_lives(
    shared: LocalExecutor,
) -> None:
    report_of(shared.submit("cpu:0", order()))
    before = shared.worker_pids()
    bad = Admit("c", {**PARAMS, "inner_lr": -1.0}, 1, horizon=10)
    with pytest.raises(SegmentFailed, match="InvalidMetaParameter: inner_lr must be") as caught:
        report_of(shared.submit("cpu:0", order(study_id="bad", admit=[bad], evaluate=[])))
    assert (caught.value.kind, caught.value.invalid) == ("InvalidMetaParameter", True)
    assert shared.worker_pids() == before
    assert len(report_of(shared.submit("cpu:0", order(study_id="bad"))).lanes) == 2


def test_a_worker_that_dies_in_a_segment_fails_its_future_and_is_replaced(
    shared: LocalExecutor,
) -> None:
    report_of(shared.submit("cpu:0", order(study_id="x")))
    victim = shared.worker_pids()["cpu:0"]
    future = shared.submit("cpu:0", order(study_id="y", iterations=FOR_EVER))
    wait_until_busy(victim)
    kill(victim)
    with pytest.raises(WorkerLost, match=f"process {victim}.*SIGKILL"):
        future.result(timeout=30)
    assert len(report_of(shared.submit("cpu:0", order(study_id="y"))).lanes) == 2
    assert shared.worker_pids()["cpu:0"] != victim


def test_a_worker_that_died_idle_is_noticed_because_its_lanes_are_gone(
    shared: LocalExecutor,
) -> None:
    report_of(shared.submit("cpu:0", order(study_id="z")))
    kill(shared.worker_pids()["cpu:0"])
    wait_until(lambda: not shared.worker_pids(), 5, what="the worker's death")
    with pytest.raises(WorkerGone, match="SIGKILL, idle"):
        report_of(shared.submit("cpu:0", order(study_id="z", admit=[], evaluate=[])))
    assert len(report_of(shared.submit("cpu:0", order(study_id="z"))).lanes) == 2


def test_a_worker_has_no_setting_secret_or_database_in_reach(shared: LocalExecutor) -> None:
    os.environ["METAOPT_DATABASE_URL"] = "postgresql://secret"
    try:
        shared.submit("cpu:0", order(study_id="w")).exception(timeout=300)
        report_of(shared.submit("cpu:0", order(study_id="v")))
        pid = shared.worker_pids()["cpu:0"]
        visible = (
            Path(f"/proc/{pid}/environ").read_text() + Path(f"/proc/{pid}/cmdline").read_text()
        )
    finally:
        del os.environ["METAOPT_DATABASE_URL"]
    assert "METAOPT_" not in visible
    assert "secret" not in visible


def test_only_listed_variables_reach_a_worker() -> None:
    slot = Slot("cuda:0", "cuda", {"CUDA_VISIBLE_DEVICES": "3"})
    found = worker_environment(slot, {"PATH": "/bin", "METAOPT_X": "1", "AWS_SECRET": "2"})
    assert set(found) == {"PATH", "PYTHONPATH", "PYTHONIOENCODING", "CUDA_VISIBLE_DEVICES"}
    on_cpu = worker_environment(Slot("cpu:0", "cpu"), {"CXX": "", "HOME": " "})
    assert not {"CXX", "HOME"} & set(on_cpu)  # empty is as unset
    assert on_cpu["OMP_NUM_THREADS"] == "1"


def test_a_user_without_an_account_has_a_name_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "LOGNAME" not in worker_environment(Slot("cpu:0", "cpu"), {})
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert worker_environment(Slot("cpu:0", "cpu"), {})["LOGNAME"] == "uid-54321"


def test_an_index_means_the_same_device_to_a_worker() -> None:
    slot = Slot("cuda:0", "cuda", {"CUDA_VISIBLE_DEVICES": "1"})
    found = worker_environment(slot, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert found["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_worker_that_cannot_start_is_told_apart_from_one_that_died(tmp_path: Path) -> None:
    broken = Slot("cpu:0", "cpu", {"PYTHONPATH": "/nonexistent", "PYTHONHOME": "/nonexistent"})
    executor = LocalExecutor([broken], tmp_path)
    with pytest.raises(WorkerGone, match="could not start: exit code 1"):
        report_of(executor.submit("cpu:0", order()))
    executor.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason="devices work here")
def test_a_worker_does_not_start_on_a_device_that_does_not_work(tmp_path: Path) -> None:
    executor = LocalExecutor([Slot("cuda:0", "cuda")], tmp_path)
    with pytest.raises(WorkerGone, match="slot cuda:0 could not start: (?!exit code)"):
        report_of(executor.submit("cuda:0", order()))
    executor.close()


def test_a_death_is_the_devices_fault_if_it_does_not_work_any_more(tmp_path: Path) -> None:
    executor = LocalExecutor(
        [Slot("cpu:0", "cpu")], tmp_path, fault=lambda slot: f"{slot.name} fell off the bus"
    )
    executor.prepare("cpu:0").result(timeout=300)
    worker = executor.worker_pids()["cpu:0"]
    executor.prepare("cpu:0").result(timeout=300)
    assert executor.worker_pids()["cpu:0"] == worker
    future = executor.submit("cpu:0", order(iterations=FOR_EVER))
    wait_until_busy(worker)
    kill(worker)
    with pytest.raises(WorkerGone, match="SIGKILL; its device: cpu:0 fell off the bus"):
        future.result(timeout=30)
    executor.close()


def test_a_closed_executor_leaves_no_process_and_takes_no_order(tmp_path: Path) -> None:
    executor = LocalExecutor([Slot("cpu:0", "cpu")], tmp_path)
    future = executor.submit("cpu:0", order(iterations=FOR_EVER))
    wait_until(lambda: bool(executor.worker_pids()), 20, what="a worker")
    worker = executor.worker_pids()["cpu:0"]
    variables = Path(f"/proc/{worker}/environ").read_text().split("\0")
    scratch = Path(dict(v.split("=", 1) for v in variables if v)["TMPDIR"])
    assert scratch.name.startswith(PREFIX) and scratch.is_dir()
    executor.close()
    executor.close()
    assert isinstance(future.exception(timeout=30), WorkerLost)
    assert not runs(worker) and not scratch.exists()
    assert isinstance(executor.submit("cpu:0", order()).exception(timeout=30), WorkerLost)


def test_a_worker_dies_with_its_parent_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path\n"
            "from service.executors.base import Slot\n"
            "from service.executors.local import LocalExecutor\n"
            "executor = LocalExecutor([Slot('cpu:0', 'cpu')], Path(sys.argv[1]))\n"
            "executor.prepare('cpu:0')\n"
            "sys.stdin.read()",
            str(tmp_path),
        ],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
    )
    try:
        wait_until(lambda: bool(children(parent.pid)), 20, what="a worker")
        workers = children(parent.pid)
        (scratch,) = temporary.iterdir()
        environment = Path(f"/proc/{workers[0]}/environ")  # its parent's until it has begun
        wait_until(lambda: f"TMPDIR={scratch}".encode() in environment.read_bytes(), what="its own")
        (scratch / "unpacked").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        assert sweep() == []  # its parent lives
    finally:
        parent.kill()
        parent.communicate()
    wait_until(lambda: not any(map(runs, workers)), 5, what="the worker's death")
    assert workers
    assert sweep() == [scratch]  # by the next one
    assert list(temporary.iterdir()) == []
