"""Two checkpoints of a trial: what damage costs, on real tables and real files."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from metaopt.algorithms.registry import complete
from service.blobs.directory import DirectoryStore
from service.db.engine import reading, transaction
from service.db.tables import Study, Trial
from service.dispatcher.leadership import takeover
from service.executors.base import SegmentFailed, SegmentOrder, WorkerLost
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.processes import DispatcherProcess
from tests.fakes.rows import add_trial
from tests.fakes.running import Run, attempts, rows, wait_for
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.service.dispatcher.leadership.test_takeover import ledger_of
from tests.waiting import wait_until

RUNGS = list(range(10, 180, 10))
SPEC = {
    "branches": [{"algorithm": "maml", "space": {"inner_lr": {"low": 0.003, "high": 0.3}}}],
    "budget": {"trials": 2, "meta_iterations": 180},
    "pruning": {"kind": "median", "rungs": RUNGS, "startup_trials": 50},
    "search": {"sampler": "random"},
}


LONG: dict[str, Any] = {
    "budget": {"trials": 2, "meta_iterations": 100_000},
    "pruning": {"kind": "none"},
}


class Damaging:
    """Checks digests as a worker does, and damages files of one trial, then kills the worker.

    Args:
        times: How often; each time the trial has to have come further.
        generations: How many of its files each time.
        lost: Whether they are deleted.
    """

    def __init__(
        self, directory: Path, times: int, generations: int = 1, lost: bool = False
    ) -> None:
        self.directory = directory
        self.times, self.generations, self.lost = times, generations, lost
        self.victim = ""
        self.costs: list[int] = []
        self._reached: dict[str, int] = {}

    def __call__(self, slot: str, order: SegmentOrder) -> Exception | None:
        for lane in order.admit:
            self.victim = self.victim or lane.trial_id
            path = self.directory / (lane.checkpoint or "")
            if lane.checkpoint and hashlib.sha256(path.read_bytes()).hexdigest() != lane.digest:
                kind = "CorruptCheckpoint"
                return SegmentFailed(str(path), kind=kind, invalid=True, lane=lane.trial_id)
        found = sorted(
            (self.directory / order.study_id).glob(f"{self.victim}-*"),
            key=lambda path: int(path.read_text()),
        )
        ages = [int(path.read_text()) for path in found]
        if self.times and len(found) == 2 and ages[-1] > max(self._reached.values(), default=0):
            self.times -= 1
            self._reached[found[-1].name] = ages[-1]
            for path in found[-self.generations :]:
                path.write_text("7")  # is an age, but not what its digest says
            return WorkerLost("killed")
        return None


@pytest.mark.parametrize("times", [1, 5])
def test_damage_costs_the_work_since_the_one_before_and_nobody_else(
    engine: Engine, run: Run, tmp_path: Path, times: int
) -> None:
    study_id = submit(engine, small_spec(**SPEC))
    damaging = Damaging(tmp_path / "checkpoints", times)
    run(ScriptedExecutor(slots=1, script=damaging))
    wait_for(engine, study_id, "completed")
    trials = {t["trial_id"]: t for t in rows(engine, study_id)}
    assert {t["status"] for t in trials.values()} == {"completed"}
    assert not any(t["solo"] for t in trials.values())
    assert {t["previous_checkpoint"] for t in trials.values()} == {None}
    of_victim = [one for one in attempts(engine, study_id) if one.trial_id == damaging.victim]
    found = [(one, following) for one, following in zip(of_victim, of_victim[1:], strict=False)]
    damaged = [(a, b) for a, b in found if a.outcome == "error"]
    assert len(damaged) == times and damaging.times == 0
    for attempt, following in damaged:
        assert 0 < attempt.from_meta_iteration - following.from_meta_iteration <= 10
    others = [one for one in attempts(engine, study_id) if one.trial_id != damaging.victim]
    assert {one.outcome for one in others} <= {"finished", "evicted", "lost"}
    assert trials[damaging.victim]["attempts"] <= 1


def test_where_both_are_damaged_a_trial_begins_anew(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**SPEC))
    damaging = Damaging(tmp_path / "checkpoints", 1, generations=2)
    run(ScriptedExecutor(slots=1, script=damaging))
    wait_for(engine, study_id, "completed")
    assert {t["status"] for t in rows(engine, study_id)} == {"completed"}
    of_victim = [one for one in attempts(engine, study_id) if one.trial_id == damaging.victim]
    began = [one.from_meta_iteration for one in of_victim]
    errors = [one for one in of_victim if one.outcome == "error"]
    assert len(errors) == 2 and began[-1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_flipped_bit_is_found_by_a_real_worker_and_costs_its_trial_little(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**{**SPEC, **LONG}))
    one_slot = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never"}
    dispatcher = DispatcherProcess(database_url, tmp_path / "data", **one_slot)
    try:
        wait_until(lambda: all_kept(rows(engine, study_id)), 120, what="two checkpoints of each")
    finally:
        dispatcher.close()
    damaged, whole = rows(engine, study_id)
    path = tmp_path / "data" / "checkpoints" / damaged["checkpoint"]
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)
    before = {t["trial_id"]: t["meta_iteration"] for t in (damaged, whole)}
    dispatcher = DispatcherProcess(database_url, tmp_path / "data", **one_slot)
    try:
        wait_until(lambda: further(engine, study_id, before), 120, what="more of each trial")
    finally:
        dispatcher.close()
    found = attempts(engine, study_id)
    error, after = [one for one in found if one.trial_id == damaged["trial_id"]][-2:]
    assert error.outcome == "error" and f"{path.name} must have SHA-256" in str(error.cause)
    assert after.from_meta_iteration == damaged["previous_meta_iteration"]
    of_whole = [one for one in found if one.trial_id == whole["trial_id"]]
    assert "error" not in {one.outcome for one in of_whole}
    assert of_whole[-1].from_meta_iteration == whole["meta_iteration"]
    assert not any(t["solo"] for t in rows(engine, study_id))


def all_kept(trials: list[dict[str, Any]]) -> bool:
    return len(trials) == 2 and all(trial["previous_checkpoint"] for trial in trials)


def further(engine: Engine, study_id: str, before: dict[str, int]) -> bool:
    ages = {trial["trial_id"]: trial["meta_iteration"] for trial in rows(engine, study_id)}
    return all(ages[one] > age for one, age in before.items())


def test_files_that_a_restored_database_does_not_know_stay_and_nobody_is_charged(
    engine: Engine, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**SPEC), "running")
    ledger = ledger_of(engine, tmp_path)
    directory = DirectoryStore(tmp_path).workplace(study_id)
    with transaction(engine) as session:
        trials = [added(session, study_id, n) for n in range(3)]
        for trial, (present, before) in zip(
            trials, (("n", "p"), ("n", "o"), ("t", "u")), strict=True
        ):
            trial.checkpoint, trial.checkpoint_sha256 = f"{study_id}/{present}", "0" * 64
            trial.meta_iteration, trial.attempts = 60, 1
            trial.previous_checkpoint, trial.previous_sha256 = f"{study_id}/{before}", "1" * 64
            trial.previous_meta_iteration = 40
    newer = "f" * 32 + "-90-1.safetensors"
    for name in ("p", "t", "u", newer):
        (directory / name).write_text(name)
    study = takeover.load(ledger, study_id)
    assert study is not None
    found = [(t.meta_iteration, t.checkpoint, t.attempts) for t in study.trials.values()]
    assert found == [(40, f"{study_id}/p", 1), (0, None, 1), (60, f"{study_id}/t", 1)]
    (warning,) = [one for one in warnings_of(engine, study_id) if "not there" in one]
    assert "trials 0 go on from the one before, trials 1 begin anew" in warning
    assert takeover.load(ledger, study_id) is not None  # and again, with nothing lacking any more
    assert {path.name for path in directory.iterdir()} == {"p", "t", "u", newer, ".kept"}
    ledger.store.delete_study(study_id)
    assert not directory.exists()


def test_a_study_whose_directory_was_removed_begins_anew_and_nobody_is_charged(
    engine: Engine, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**SPEC), "running")
    ledger = ledger_of(engine, tmp_path)
    with transaction(engine) as session:
        trial = added(session, study_id, 0)
        trial.checkpoint, trial.checkpoint_sha256 = f"{study_id}/gone", "0" * 64
        trial.meta_iteration = 60
    study = takeover.load(ledger, study_id)
    assert study is not None
    (found,) = study.trials.values()
    assert (found.meta_iteration, found.checkpoint, found.attempts) == (0, None, 0)


def test_what_a_killed_dispatcher_left_is_deleted(engine: Engine, tmp_path: Path) -> None:
    study_id = submit(engine, small_spec(**SPEC), "running")
    ledger = ledger_of(engine, tmp_path)
    directory = DirectoryStore(tmp_path).workplace(study_id)
    with transaction(engine) as session:
        trial = added(session, study_id, 0)
        trial_id = trial.trial_id
    left = directory / f"{trial_id}-10-1.safetensors"
    left.write_text("x")
    assert takeover.load(ledger, study_id) is not None
    assert not left.exists()


def added(session: Session, study_id: str, number: int) -> Trial:
    params = complete("maml", {})
    return add_trial(session, number, "queued", study_id=study_id, params=params)


def warnings_of(engine: Engine, study_id: str) -> list[str]:
    with reading(engine) as session:
        return session.get_one(Study, study_id).warnings or []
