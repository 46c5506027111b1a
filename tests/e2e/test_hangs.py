"""What stays alive and does not answer, and machines that fail: real workers, real dispatchers."""

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from service.db.engine import reading
from service.db.tables import Attempt, Event, Segment, Study, Trial
from service.executors.local import GIVE_UP_SECONDS
from service.operations.monitoring.health import readiness
from service.operations.steer import CANCEL, PAUSE
from tests.e2e.conftest import Start
from tests.fakes.processes import children
from tests.fakes.specs import small_spec
from tests.fakes.studies import steer, submit
from tests.waiting import PATIENCE, wait_until, wait_until_busy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

ONE_BRANCH = small_spec().model_dump(mode="json")["branches"][:1]
ONE_VERDICT = {"finalists": 1, "seeds": 1, "tasks": 20, "compare": "none"}
LONG = {
    "branches": ONE_BRANCH,
    "budget": {"trials": 2, "meta_iterations": 500},
    "verdict": ONE_VERDICT,
}
HUGE = {
    "branches": ONE_BRANCH,
    "pruning": {"kind": "none"},
    "budget": {"trials": 2, "meta_iterations": 10},
    "evaluation": {"tasks": 10_000, "curve_steps": 200},
}


def test_a_frozen_worker_costs_an_attempt_and_its_slot_comes_back(
    engine: Engine, start: Start
) -> None:
    one_trial = {**LONG, "budget": {**LONG["budget"], "trials": 1}}
    studies = [submit(engine, small_spec(**one_trial)) for _ in range(2)]
    dispatcher = start(METAOPT_SLOTS="2", METAOPT_HANG_SECONDS="3", METAOPT_COMPILE="never")
    wait_until(lambda: all(segments(engine, slot) > 6 for slot in SLOTS), 60, what="both slots")
    frozen = dispatcher.workers()[0]
    before = {slot: segments(engine, slot) for slot in SLOTS}
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: "hung" in told(engine), 30, what="a slot that is told to be out")
    (lost,) = losses(engine)
    other = next(slot for slot in SLOTS if slot != lost["slot"])
    assert "hung: no sign of progress" in lost["cause"]
    assert segments(engine, other) > before[other]  # it went on meanwhile
    lost_at = segments(engine, lost["slot"])
    wait_until(lambda: segments(engine, lost["slot"]) > lost_at, 60, what="the slot's next work")
    wait_until(lambda: "hung" not in told(engine), 30, what="the slot to be told to work")
    for study_id in studies:
        wait_until(lambda s=study_id: status(engine, s) == "completed", 120, what="the studies")  # type: ignore[misc]
    assert {trial.status for trial in trials(engine)} == {"completed"}
    assert frozen not in dispatcher.workers()


def test_a_cancel_frees_the_slot_of_a_frozen_worker_and_a_pause_does_not_hurt_one(
    engine: Engine, start: Start
) -> None:
    endless = {**LONG, "budget": {"trials": 1, "meta_iterations": 500_000}}
    cancelled = submit(engine, small_spec(**endless))
    dispatcher = start(METAOPT_SLOTS="1", METAOPT_COMPILE="never")
    wait_until(lambda: segments(engine, "cpu:0") > 3, 60, what="a worker at work")
    (frozen,) = dispatcher.workers()
    os.kill(frozen, signal.SIGSTOP)
    steer(engine, cancelled, PAUSE)
    time.sleep(GIVE_UP_SECONDS + 3.0)  # what a cancel allows, and its looks
    assert dispatcher.workers() == [frozen]  # it may be slow for good reason, and has trained
    steer(engine, cancelled, CANCEL)
    assert seconds_until(lambda: not running_attempts(engine, cancelled)) < GIVE_UP_SECONDS + 10
    assert frozen not in dispatcher.workers()
    (lost,) = losses(engine)
    assert "although its study had ended; it was killed" in lost["cause"]
    following = submit(engine, small_spec(**LONG))
    wait_until(lambda: status(engine, following) == "completed", 120, what="the next study")
    assert [trial.status for trial in trials(engine) if trial.study_id == cancelled] == [
        "cancelled"
    ]


def test_a_failing_machine_costs_no_trial_anything(engine: Engine, start: Start) -> None:
    study_id = submit(engine, small_spec(**LONG))
    dispatcher = start(METAOPT_SLOTS="1", METAOPT_COMPILE="never")
    wait_until(lambda: segments(engine, "cpu:0") > 1, 60, what="a segment")
    (worker,) = dispatcher.workers()
    for kind, least in ((resource.RLIMIT_FSIZE, 1000), (resource.RLIMIT_NOFILE, 3)):
        soft, hard = resource.prlimit(worker, kind)
        resource.prlimit(worker, kind, (least, hard))
        known = len(losses(engine))
        wait_until(lambda n=known: len(losses(engine)) >= n + 2, 60, what="failures")  # type: ignore[misc]
        assert dispatcher.workers() == [worker]
        assert "[Errno" in losses(engine)[-1]["cause"]
        resource.prlimit(worker, kind, (soft, hard))
        done = segments(engine, "cpu:0")
        wait_until(lambda n=done: segments(engine, "cpu:0") > n, 60, what="more segments")  # type: ignore[misc]
    wait_until(lambda: status(engine, study_id) == "completed", 120, what="the study")
    assert {(trial.status, trial.attempts) for trial in trials(engine)} == {("completed", 0)}


def test_a_huge_evaluation_frees_its_slot_on_cancel_on_drain_and_when_time_is_over(
    engine: Engine, start: Start, tmp_path: Path
) -> None:
    first = start(METAOPT_SLOTS="1", METAOPT_COMPILE="never")
    cancelled = submit(engine, small_spec(**HUGE))
    wait_until(lambda: evaluates(first.workers()), 60, what="the evaluation")
    steer(engine, cancelled, CANCEL)
    assert seconds_until(lambda: not running_attempts(engine, cancelled)) < 30

    over = submit(engine, small_spec(**{**HUGE, "budget": {**HUGE["budget"], "wall_seconds": 4}}))
    wait_until(lambda: status(engine, over) == "running", 30, what="the next study")
    assert seconds_until(lambda: status(engine, over) in ("completed", "failed")) < 60

    drained = submit(engine, small_spec(**HUGE))
    wait_until(lambda: status(engine, drained) == "running", 30, what="the last study")
    wait_until(lambda: evaluates(first.workers()), 60, what="the evaluation")
    begun = time.monotonic()
    assert first.terminate() == 0
    assert time.monotonic() - begun < 60
    left = [trial for trial in trials(engine) if trial.study_id == drained]
    assert {(trial.status, trial.meta_iteration, trial.attempts) for trial in left} == {
        ("queued", 10, 0)
    }
    files = [tmp_path / "data" / "checkpoints" / str(trial.checkpoint) for trial in left]
    assert all(file.is_file() for file in files)


@pytest.mark.night
@pytest.mark.parametrize("compiling", ["auto", "always"])
def test_a_drain_waits_for_no_compiler(
    engine: Engine, start: Start, tmp_path: Path, compiling: str
) -> None:
    """Its lanes are as old as their checkpoints; `always` compiles in the worker itself."""
    work = {"trials": 2, "meta_iterations": 500_000}
    study_id = submit(engine, small_spec(**{**LONG, "budget": work}))
    first = start(METAOPT_SLOTS="1", METAOPT_COMPILE=compiling)

    def compiles() -> bool:
        (worker,) = first.workers() or [0]
        helpers = children(worker) if worker else []
        if compiling == "always":
            return bool(helpers)  # Inductor calls the compiler of the machine
        return any(b"compiling.compiler" in command(pid) for pid in helpers)

    wait_until(compiles, 120, what="a compiler")
    begun = time.monotonic()
    assert first.terminate() == 0
    assert time.monotonic() - begun < 10.0 + 5.0 * PATIENCE
    left = [trial for trial in trials(engine) if trial.study_id == study_id]
    assert {(trial.status, trial.attempts) for trial in left} == {("queued", 0)}
    kept = tmp_path / "data" / "checkpoints"
    assert all(trial.checkpoint is not None or not trial.meta_iteration for trial in left)
    assert all((kept / trial.checkpoint).is_file() for trial in left if trial.checkpoint)


def command(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return b""


SLOTS = ("cpu:0", "cpu:1")


def seconds_until(predicate: Any) -> float:
    begun = time.monotonic()
    wait_until(predicate, 60)
    return time.monotonic() - begun


def evaluates(workers: list[int]) -> bool:
    """Return whether a worker has been at work for long: what it trains takes no time."""
    if not workers:
        return False
    (worker,) = workers
    wait_until_busy(worker, 300)
    return True


def told(engine: Engine) -> str:
    """Return what `/readyz` says."""
    return " ".join(check.text for check in readiness(engine).values())


def status(engine: Engine, study_id: str) -> str:
    with reading(engine) as session:
        return session.get_one(Study, study_id).status


def segments(engine: Engine, slot: str) -> int:
    query = select(func.count()).select_from(Segment).where(Segment.slot == slot)
    with reading(engine) as session:
        return int(session.scalar(query) or 0)


def losses(engine: Engine) -> list[dict[str, Any]]:
    query = select(Event.data).where(Event.kind == "worker_lost").order_by(Event.event_id)
    with reading(engine) as session:
        return list(session.scalars(query))


def trials(engine: Engine) -> list[Trial]:
    with reading(engine) as session:
        found = list(session.scalars(select(Trial)))
        session.expunge_all()
    return found


def running_attempts(engine: Engine, study_id: str) -> int:
    query = select(func.count()).select_from(Attempt).join(Trial)
    query = query.where(Trial.study_id == study_id, Attempt.outcome == "running")
    with reading(engine) as session:
        return int(session.scalar(query) or 0)
