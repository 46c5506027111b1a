"""Firing on both databases: once, whoever asks, and as the policies say."""

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from metaopt.algorithms.registry import ALGORITHMS
from service.cron.runner import REST, Runner, run_schedules
from service.db.dispatcher import EpochLost
from service.db.engine import transaction
from service.db.plugins.rows import tell_present
from service.db.tables import Schedule, ScheduleRun, Study
from service.operations import schedules
from service.schedules.plan import run_study_id
from tests.fakes.described import algorithm, needed, refused
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.rows import add_study
from tests.fakes.running import Running, kinds, wait_for
from tests.fakes.schedules import NOON, HandClock, add, runs, statuses, submitted, take_over
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

HOUR = timedelta(hours=1)
KILLED = """
import os, sys
from datetime import UTC, datetime
from sqlalchemy import event
from service.db.engine import open_engine
from service.cron.runner import Runner
engine = open_engine(sys.argv[1])
event.listen(engine, "commit", lambda _: os._exit(9))
now = datetime.fromisoformat(sys.argv[3])
Runner(engine, int(sys.argv[2]), lambda: now).step()
"""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def runner(engine: Engine, clock: HandClock) -> Runner:
    return take_over(engine, clock)


def end_studies(engine: Engine, status: str = "completed") -> None:
    with transaction(engine) as session:
        session.execute(update(Study).values(status=status))


def test_a_fire_time_becomes_a_study_once(engine: Engine, clock: HandClock, runner: Runner) -> None:
    schedule_id = add(engine, clock)
    runner.step()
    assert runs(engine) == []
    clock.go(hours=1)
    for again in (lambda: runner, lambda: runner, lambda: take_over(engine, clock)):
        again().step()
    [run], [study] = runs(engine), submitted(engine)
    assert (run.fire_at, run.status, run.manual) == (NOON + HOUR, "submitted", False)
    assert run.study_id == study.study_id == run_study_id(schedule_id, run.fire_at)
    assert study.name == "small sinusoid 2026-05-04T13:00:00Z"
    assert (study.status, study.created_at) == ("queued", clock())
    assert study.spec["seed"] != 3
    assert kinds(engine, study.study_id, "study_submitted") == [{"trials": 6}]


def test_a_run_takes_the_plugins_that_are_there_and_is_refused_without(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    schedule_id = add(engine, clock)
    branch = {"algorithm": "pulled", "space": {"inner_lr": 0.1, "pull": 0.2}}
    with transaction(engine) as session:
        schedule = session.get_one(Schedule, schedule_id)
        schedule.spec = {**schedule.spec, "branches": [branch]}
    newer = algorithm(digest="2" * 64, version="1.1")
    for described in ([algorithm()], [newer], [refused("pulled", why="it is not allowed")]):
        with transaction(engine) as session:
            tell_present(session, described, now=clock())
        clock.go(hours=1)
        runner.step()
        end_studies(engine)
    ALGORITHMS.forget("pulled")
    assert statuses(engine) == ["submitted", "submitted", "refused"]
    assert "pulled cannot be used: it is not allowed" in str(runs(engine)[-1].reason)
    studies = sorted(submitted(engine), key=lambda study: study.created_at)
    assert [study.plugins for study in studies] == [[needed(algorithm())], [needed(newer)]]


def test_runs_have_seeds_of_their_own_unless_fixed(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    add(engine, clock, overlap="queue")
    add(engine, clock, name="same", seed="fixed")
    for _ in range(2):
        clock.go(hours=1)
        runner.step()
        end_studies(engine)
    seeds = [study.spec["seed"] for study in submitted(engine)]
    assert len(seeds) == 4 and len(set(seeds)) == 3 and seeds.count(3) == 2


@pytest.mark.parametrize("replicas", [2, 4])
def test_runners_at_the_same_moment_make_one_study(
    engine: Engine, clock: HandClock, runner: Runner, replicas: int
) -> None:
    add(engine, clock)
    clock.go(hours=1)
    ready, failed = threading.Barrier(replicas), []

    def step(one: Runner) -> None:
        ready.wait()
        try:
            one.step()
        except Exception as error:
            failed.append(error)

    others = [Runner(engine, runner._epoch, clock) for _ in range(replicas)]
    threads = [threading.Thread(target=step, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (statuses(engine), len(submitted(engine))) == (["submitted"], 1)


def test_a_runner_that_was_replaced_fires_nothing(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    add(engine, clock)
    clock.go(hours=1)
    new = take_over(engine, clock)
    with pytest.raises(EpochLost):
        runner.step()
    assert runs(engine) == []
    new.step()
    assert statuses(engine) == ["submitted"]


def test_a_runner_killed_before_its_commit_leaves_nothing_and_the_next_fires_once(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    add(engine, clock)
    clock.go(hours=1)
    url = engine.url.render_as_string(hide_password=False)
    arguments = [url, str(runner._epoch), clock().isoformat()]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=300)
    assert killed.returncode == 9
    assert (runs(engine), submitted(engine)) == ([], [])
    take_over(engine, clock).step()
    assert (statuses(engine), len(submitted(engine))) == (["submitted"], 1)


def test_overlap_skip_leaves_a_run_out_and_says_why(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    add(engine, clock)
    for _ in range(2):
        clock.go(hours=1)
        runner.step()
    first, second = runs(engine)
    assert (first.status, second.status) == ("submitted", "skipped")
    assert second.reason == f"study {first.study_id} of the run before goes on (overlap: skip)"
    end_studies(engine, "failed")
    clock.go(hours=1)
    runner.step()
    assert statuses(engine) == ["submitted", "skipped", "submitted"]


def test_overlap_queue_lets_runs_wait_for_their_turn(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    add(engine, clock, overlap="queue")
    for _ in range(3):
        clock.go(hours=1)
        runner.step()
    assert statuses(engine) == ["submitted", "waiting", "waiting"]
    end_studies(engine, "paused")
    runner.step()
    assert statuses(engine) == ["submitted", "waiting", "waiting"]
    for count in (2, 3):
        end_studies(engine, "cancelled")
        runner.step()
        runner.step()
        assert statuses(engine).count("submitted") == count
    assert [study.name[-9:-4] for study in submitted(engine)] == ["13:00", "14:00", "15:00"]


def test_overlap_cancel_ends_the_study_before(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    add(engine, clock, overlap="cancel")
    for _ in range(2):
        clock.go(hours=1)
        runner.step()
    first, second = runs(engine)
    assert first.reason == "cancelled for the run of 2026-05-04 14:00 UTC (overlap: cancel)"
    assert [study.status for study in submitted(engine)] == ["cancelled", "queued"]
    assert (second.status, second.reason) == ("submitted", None)
    assert kinds(engine, str(first.study_id), "study_cancelled")


def test_no_study_is_cancelled_for_one_that_the_quota_keeps_out(
    engine: Engine, clock: HandClock
) -> None:
    runner = take_over(engine, clock, most_queued=1)
    add(engine, clock, maker=schedules.Maker("k", 9), overlap="cancel")
    clock.go(hours=1)
    runner.step()
    end_studies(engine, "running")
    with transaction(engine) as session:
        add_study(session, "b" * 32, status="queued", submitted_by="k")
    clock.go(hours=1)
    runner.step()
    first, second = runs(engine)
    assert (first.status, first.reason, second.status) == ("submitted", None, "skipped")
    assert "METAOPT_QUEUED_PER_KEY" in str(second.reason)
    assert {study.status for study in submitted(engine)} == {"running", "queued"}


def test_a_schedule_of_which_nobody_knows_who_made_it_has_no_quota(
    engine: Engine, clock: HandClock
) -> None:
    runner = take_over(engine, clock, most_queued=1)
    for name in ("one", "two"):  # as before there were quotas
        add(engine, clock, name=name)
    clock.go(hours=1)
    runner.step()
    assert statuses(engine) == ["submitted", "submitted"]


@pytest.mark.parametrize(
    ("catch_up", "overlap", "found"),
    [
        ("skip", "skip", ["skipped"] * 3),
        ("once", "skip", ["skipped", "skipped", "submitted"]),
        ("all", "queue", ["submitted", "waiting", "waiting"]),
    ],
)
def test_what_was_missed_is_caught_up_as_the_policy_says(
    engine: Engine, clock: HandClock, catch_up: str, overlap: str, found: list[str]
) -> None:
    add(engine, clock, catch_up=catch_up, overlap=overlap)
    clock.go(hours=3, minutes=30)
    runner = take_over(engine, clock)
    runner.step()
    assert statuses(engine) == found
    clock.go(minutes=30)
    runner.step()
    assert len(runs(engine)) == 4


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=1)])
def test_a_clock_that_was_ahead_and_is_set_back_neither_doubles_nor_loses_a_time(
    engine: Engine, clock: HandClock, runner: Runner, ahead: timedelta
) -> None:
    add(engine, clock, overlap="queue")
    clock.go(minutes=30)
    for at in (clock() + ahead, clock(), clock() - ahead, clock()):
        clock.at = at
        runner.step()
    end_studies(engine)
    before = submitted(engine)
    for _ in range(3):
        clock.go(minutes=29)  # to one minute before and after full hours, in turn
        clock.go(minutes=1)
        runner.step()
        end_studies(engine)
    fired = [run for run in runs(engine) if run.status == "submitted"]
    assert len({run.fire_at for run in fired}) == len(submitted(engine)) == len(fired)
    assert NOON + HOUR in {run.fire_at for run in fired}
    assert len(before) <= 1


def test_a_paused_schedule_fires_only_by_hand_and_catches_nothing_up(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    schedule_id = add(engine, clock, catch_up="once")
    with transaction(engine) as session:
        schedules.pause_schedule(session, schedule_id)
    clock.go(hours=3, minutes=30)
    runner.step()
    assert runs(engine) == []
    with transaction(engine) as session:
        for _ in range(2):
            schedules.run_now(session, schedule_id, now=clock())
    runner.step()
    [run] = runs(engine)
    assert (run.manual, run.status, run.fire_at) == (True, "submitted", clock())
    end_studies(engine)
    with transaction(engine) as session:
        schedules.resume_schedule(session, schedule_id, now=clock())
    runner.step()
    assert len(runs(engine)) == 1
    clock.go(minutes=30)
    runner.step()
    assert statuses(engine) == ["submitted", "submitted"]


def test_what_waits_while_a_schedule_is_paused_goes_on_after(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    schedule_id = add(engine, clock, overlap="queue")
    for _ in range(2):
        clock.go(hours=1)
        runner.step()
    with transaction(engine) as session:
        schedules.pause_schedule(session, schedule_id)
    end_studies(engine)
    runner.step()
    assert statuses(engine) == ["submitted", "waiting"]
    with transaction(engine) as session:
        schedules.resume_schedule(session, schedule_id, now=clock())
    runner.step()
    assert statuses(engine) == ["submitted", "submitted"]


def test_a_spec_that_is_refused_is_told_and_the_schedule_goes_on(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    schedule_id = add(engine, clock)
    change_spec(engine, schedule_id, warm_start={"studies": ["f" * 32]})
    for _ in range(2):
        clock.go(hours=1)
        runner.step()
    assert statuses(engine) == ["refused", "refused"]
    assert "warm_start.studies[0]" in str(runs(engine)[0].reason)
    assert submitted(engine) == []
    change_spec(engine, schedule_id, warm_start={"studies": []})
    clock.go(hours=1)
    runner.step()
    assert statuses(engine)[-1] == "submitted"


def change_spec(engine: Engine, schedule_id: str, **changes: Any) -> None:
    with transaction(engine) as session:
        schedule = session.get_one(Schedule, schedule_id)
        schedule.spec = {**schedule.spec, **changes}


def test_what_fails_with_one_schedule_rests_and_stops_nothing_else(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    broken, lost, _ = (add(engine, clock, name=name) for name in ("broken", "lost", "sound"))
    with transaction(engine) as session:
        session.get_one(Schedule, broken).spec = {"name": 1, "warm_start": 2}
        session.get_one(Schedule, lost).time_zone = "Atlantis/Capital"
    add_ended_run(engine, clock, broken)
    clock.go(hours=1)
    runner.step()
    runner.step()
    assert sorted(statuses(engine)) == ["refused", "submitted", "submitted"]
    assert list(runner._resting) == [("look_at_ends", broken)]
    clock.go(seconds=REST.total_seconds() + 1)
    runner.step()
    assert runner._resting["look_at_ends", broken] == clock() + REST


def add_ended_run(engine: Engine, clock: HandClock, schedule_id: str) -> None:
    """Add a run whose study has ended: the broken spec fails when its chart is drawn."""
    study_id = submit(engine, small_spec(), status="completed")
    with transaction(engine) as session:
        session.add(
            ScheduleRun(
                schedule_id=schedule_id,
                fire_at=clock(),
                manual=True,
                status="submitted",
                study_id=study_id,
                created_at=clock(),
            )
        )


def test_a_schedule_removed_takes_its_runs_along_and_leaves_its_studies(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    schedule_id = add(engine, clock)
    clock.go(hours=1)
    runner.step()
    with transaction(engine) as session:
        schedules.remove_schedule(session, schedule_id, now=clock())
    clock.go(hours=1)
    runner.step()
    assert (runs(engine), len(submitted(engine))) == ([], 1)


def test_the_thread_fires_and_a_dispatcher_runs_the_study(
    engine: Engine, clock: HandClock, tmp_path: Any
) -> None:
    add(engine, clock)
    clock.go(hours=1)
    running, stop = Running(engine, tmp_path / "checkpoints", ScriptedExecutor()), threading.Event()
    assert running.epoch is not None
    url = engine.url.render_as_string(hide_password=False)
    thread = threading.Thread(target=run_schedules, args=(url, running.epoch, stop, clock))
    thread.start()
    try:
        study_id = run_study_id(schedule_of(engine), clock())
        wait_for_row(engine, study_id)
        wait_for(engine, study_id, "completed")
        with transaction(engine) as session:
            found = schedules.show_history(session, schedule_of(engine), limit=10)
        assert [point.study_id for point in found.points] == [study_id]
        assert found.points[0].candidate is not None and found.points[0].passed is None
    finally:
        stop.set()
        thread.join(10)
        running.end()
    assert running.error is None and not thread.is_alive()


def schedule_of(engine: Engine) -> str:
    with transaction(engine) as session:
        return session.scalars(select(Schedule.schedule_id)).one()


def wait_for_row(engine: Engine, study_id: str) -> None:
    wait_until(lambda: [one.study_id for one in submitted(engine)] == [study_id], 20)


def test_the_thread_ends_when_its_epoch_is_over(
    engine: Engine, clock: HandClock, runner: Runner
) -> None:
    take_over(engine, clock)
    url = engine.url.render_as_string(hide_password=False)
    stop = threading.Event()
    run_schedules(url, runner._epoch, stop, clock)
    assert not stop.is_set() and submitted(engine) == []  # it has ended by itself
