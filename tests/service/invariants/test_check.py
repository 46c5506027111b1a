"""The checker on a study that really ran, and on what must never be: each violation is planted."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.orm import Session

from service.db.dispatcher import database_now
from service.db.engine import transaction
from service.db.tables import (
    Ask,
    Attempt,
    DispatcherRow,
    Event,
    IdempotencyKey,
    Report,
    Spending,
    Study,
    Trial,
    Weights,
)
from service.invariants.acknowledged import Acknowledged, read_log
from service.invariants.check import Seen, check, look
from service.invariants.mirrored import copies_of
from service.invariants.processes import orphans
from service.invariants.snapshots import Snapshots
from service.mirror.sync import Mirror
from service.retention.clearing import clear
from service.retention.files import Directories
from service.retention.rules import Keep
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, wait_for
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until


@pytest.fixture
def ended(engine: Engine, run: Run, tmp_path: Path) -> Iterator[tuple[str, Seen]]:
    """A completed study and its copy in Optuna's tables, and what there is beside them."""
    pruning = {"kind": "median", "rungs": [60, 120], "startup_trials": 1}
    study_id = submit(engine, small_spec(pruning=pruning))
    executor = ScriptedExecutor()
    executor._script = lambda slot, order: (
        executor.diverge.add(order.admit[0].trial_id) if len(executor.orders) == 1 else None
    )
    running = run(executor)
    wait_for(engine, study_id, "completed")
    checkpoints = tmp_path / "checkpoints"
    wait_until(lambda: not list(checkpoints.glob("[!.]*")), what="an empty disk")
    running.end()
    with transaction(engine) as session:
        session.add(IdempotencyKey(
            key="one", body_sha256="0" * 64, study_id=study_id,
            created_at=session.get_one(Study, study_id).created_at,
        ))  # fmt: skip
        snapshot = tmp_path / "snapshots"
        Snapshots(snapshot).take(session)
    mirror = Mirror(engine.url)
    mirror.sync()
    mirror.close()
    yield study_id, Seen(tmp_path, [Acknowledged(study_id, "one")], snapshot, at_rest=True)


Plant = Callable[[Session, str], Any]
FIRST = (Trial.trial_number == 1,)


def _trial(**values: Any) -> Plant:
    return lambda session, study_id: session.execute(update(Trial).where(*FIRST).values(**values))


def _trial_id(session: Session) -> str:
    return str(session.scalar(select(Trial.trial_id).where(*FIRST)))


def _copy(table: Any, **values: Any) -> Plant:
    """A row once more, with other values."""

    def plant(session: Session, study_id: str) -> None:
        row = session.execute(select(table.__table__).limit(1)).one()._mapping
        keys = table.__table__.primary_key.columns
        own = {c.name for c in keys if c.autoincrement is True and c.name not in values}
        session.execute(
            insert(table).values({k: v for k, v in row.items() if k not in own} | values)
        )

    return plant


def _more_events(kind: str) -> Plant:
    def plant(session: Session, study_id: str) -> None:
        query = select(Event.__table__).where(Event.kind == kind).limit(1)
        row = dict(session.execute(query).one()._mapping)
        del row["event_id"]
        session.execute(insert(Event).values(row))

    return plant


def _without(table: Any, *where: Any) -> Plant:
    return lambda session, study_id: session.execute(delete(table).where(*where))


def _running_attempt(session: Session, study_id: str) -> None:
    trial_id = _trial_id(session)
    last = select(Attempt.attempt_id).where(Attempt.trial_id == trial_id)
    last = last.order_by(Attempt.number.desc()).limit(1)
    of_last = Attempt.attempt_id == session.scalar(last)
    session.execute(update(Attempt).where(of_last).values(outcome="running"))
    session.execute(update(Trial).where(*FIRST).values(status="running"))


def _result(**values: Any) -> Plant:
    def plant(session: Session, study_id: str) -> None:
        study = session.get_one(Study, study_id)
        study.result = {**(study.result or {}), **values}
        session.flush()

    return plant


def _other_params(session: Session, study_id: str) -> None:
    ask = session.scalars(select(Ask).where(Ask.kind == "ask", Ask.trial_number == 4)).one()
    ask.params = {**(ask.params or {}), "inner_lr": 0.0123}
    session.flush()


def _not_finite(session: Session, study_id: str) -> None:
    value = "9e999" if session.get_bind().dialect.name == "sqlite" else "'Infinity'"
    session.execute(text(f"UPDATE mo_trials SET score = {value} WHERE trial_number = 1"))  # noqa: S608


def _broken_spec(session: Session, study_id: str) -> None:
    session.execute(update(Study).values(spec={"name": "nothing else"}))


def _lost_trial(session: Session, study_id: str) -> None:
    """A trial that nobody asked for, and no trial of its own."""
    number = select(Trial.trial_id).where(Trial.trial_number == 3).scalar_subquery()
    session.execute(delete(Trial).where(Trial.trial_id == number))


def _fewer_trials(session: Session, study_id: str) -> None:
    """A trial is gone without a trace: its row, its asks and its events."""
    _lost_trial(session, study_id)
    session.execute(delete(Ask).where(Ask.trial_number == 3))
    session.execute(update(Spending).values(ended_by=None))


NO_NUMBER = "a part of a result is not a number"

PLANTS: list[tuple[str, str, Plant]] = [
    ("complete", "a trial is open", _trial(status="queued")),
    ("complete", "a trial is lost without a trace", _fewer_trials),
    ("complete", "a completed trial has no last report",
     _without(Report, Report.meta_iteration == 180)),
    ("once", "a trial is lost", _lost_trial),
    ("once", "a result was taken twice", _more_events("trial_reported")),
    ("once", "a trial ended twice", _more_events("trial_finished")),
    ("once", "a study ended twice", _more_events("study_completed")),
    ("once", "a sampler was not told", _without(Ask, Ask.kind == "tell", Ask.trial_number == 1)),
    ("once", "a sampler was told twice", lambda session, study_id: _copy(
        Ask, sequence=99, kind="tell", trial_number=1, params=None, outcome="completed",
        branch="reptile")(session, study_id)),
    ("once", "a sampler was asked twice", _copy(Ask, sequence=99, kind="ask")),
    ("attempts", "an attempt is missing", _without(Attempt, Attempt.number == 1)),
    ("attempts", "an attempt finished it, and another came", lambda session, study_id: _copy(
        Attempt, trial_id=_trial_id(session), number=9, outcome="evicted")(session, study_id)),
    ("attempts", "too many count", _trial(attempts=4)),
    ("attempts", "it failed for nothing", _trial(status="failed", cause=None)),
    ("derived", "a score is not that of its report", _trial(score=0.5)),
    ("derived", "looks at sealed tasks are uncounted",
     lambda session, study_id: session.execute(update(Study).values(sealed_looks=0))),
    ("derived", "spending is not that of segments",
     lambda session, study_id: session.execute(update(Spending).values(meta_iterations=1))),
    ("immutable", "an ended trial changed", _trial(device_seconds=1e6)),
    ("immutable", "a report is gone", _without(Report, Report.meta_iteration == 60)),
    ("immutable", "a result changed", _result(weights_sha256=None, optimism=0.25)),
    ("stray", "a trial runs without a dispatcher", _running_attempt),
    ("suggestions", "the log has another point", _other_params),
    ("rebuilt", "its spec is unusable", _broken_spec),
    ("finite", "a score is infinite", _not_finite),
    ("finite", NO_NUMBER, _result(optimism=float("nan"))),
    ("files", "a model belongs to nobody", lambda session, study_id: session.execute(
        insert(Weights).values(sha256="a" * 64, content=b"x",
                               created_at=session.get_one(Study, study_id).created_at))),
    ("files", "a model is lost", _result(weights_sha256="b" * 64)),
    ("acknowledged", "a study is lost", _without(Study)),
    ("acknowledged", "a study has not ended",
     lambda session, study_id: session.execute(update(Study).values(status="running"))),
    ("acknowledged", "a key has no study", _without(IdempotencyKey)),
    ("mirror", "a trial is not mirrored", _copy(Trial, trial_id="f" * 32, trial_number=77)),
    ("mirror", "a trial is mirrored that is none", _without(Trial, Trial.trial_number == 0)),
    ("mirror", "a trial is mirrored otherwise", _trial(status="cancelled")),
]  # fmt: skip


def test_a_run_without_faults_passes_and_each_planted_violation_is_named(
    engine: Engine, ended: tuple[str, Seen]
) -> None:
    study_id, seen = ended
    verdict = check(engine, seen)
    assert verdict.violations == []
    assert (verdict.studies, verdict.reports > 15) == (1, True)
    copies = copies_of(engine.url)
    missed = []
    for rule, what, plant in PLANTS:
        if what == NO_NUMBER and engine.dialect.name != "sqlite":
            continue  # PostgreSQL takes no such JSON
        with Session(engine, expire_on_commit=False) as session:
            plant(session, study_id)
            found = look(session, seen, copies).violations
            session.rollback()
        if rule not in {one.rule for one in found}:
            missed.append((rule, what, found))
    assert missed == []
    assert check(engine, seen).violations == []  # all of it was taken back


def test_files_that_are_left_lost_or_damaged_are_named(
    engine: Engine,
    run: Run,
    tmp_path: Path,
) -> None:
    study_id = submit(engine, small_spec())
    executor = ScriptedExecutor(slots=1)
    executor.seconds_per_iteration = 0.05
    running = run(executor)
    wait_until(lambda: len(executor.orders) > 2, what="checkpoints")
    running.end()
    seen = Seen(tmp_path)
    assert check(engine, seen).violations == []
    with transaction(engine) as session:
        named = session.scalars(select(Trial.checkpoint).where(Trial.status == "queued")).all()
    one, other, *_ = [tmp_path / "checkpoints" / name for name in named if name]
    whole = one.read_bytes()
    one.write_bytes(whole + b"x")
    assert [found.rule for found in check(engine, seen).violations] == ["files"]
    one.write_bytes(whole)
    other.unlink()
    assert [found.rule for found in check(engine, seen).violations] == ["files"]
    other.write_bytes(whole)
    (tmp_path / "checkpoints" / "nobody").mkdir()
    assert "belongs to no study" in {found.what for found in check(engine, seen).violations}
    with transaction(engine) as session:
        session.execute(update(Study).where(Study.study_id == study_id).values(status="failed"))
    left = [found for found in check(engine, Seen(tmp_path, at_rest=True)).violations]
    assert any("is left of a study that is failed" in found.what for found in left)


def test_a_worker_whose_parent_is_gone_is_named(tmp_path: Path) -> None:
    def sleeping(parent: int) -> "subprocess.Popen[bytes]":
        code = "import signal; print(flush=True); signal.pause()"
        fake = ["-c", code, "7", str(parent), str(tmp_path.resolve() / "programs")]
        # The arguments of a worker: only `-m MODULE` is another here, so that it does nothing.
        return subprocess.Popen([sys.executable, *fake], stdout=subprocess.PIPE)

    assert list(orphans(tmp_path)) == []
    process = sleeping(1)
    try:
        assert process.stdout is not None and process.stdout.readline()
        directory = tmp_path / "proc" / str(process.pid)
        directory.mkdir(parents=True)
        real = Path("/proc") / str(process.pid)
        told = real.joinpath("cmdline").read_bytes().split(b"\0")
        told[1:3] = [b"-m", b"service.executors.worker"]
        directory.joinpath("cmdline").write_bytes(b"\0".join(told))
        directory.joinpath("stat").write_bytes(real.joinpath("stat").read_bytes())
        (found,) = orphans(tmp_path, tmp_path / "proc")
        assert (found.rule, found.where) == ("orphans", f"process {process.pid}")
    finally:
        process.kill()
        process.communicate()


def test_the_command_says_what_is_wrong_and_how_it_went(
    engine: Engine, ended: tuple[str, Seen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from service.invariants.__main__ import main

    study_id, _ = ended
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("METAOPT_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    log = tmp_path / "client.jsonl"
    log.write_text(json.dumps({"study_id": study_id, "key": "one"}) + "\n")
    arguments = ["--at-rest", "--client-log", str(log), "--snapshots", str(tmp_path / "snapshots")]
    assert main(arguments) == 0
    assert "1 studies" in capsys.readouterr().out
    with transaction(engine) as session:
        session.execute(update(Trial).where(*FIRST).values(attempts=4))
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["violations"][0]["rule"] == "attempts"
    log.write_text("{}\n")
    assert main(arguments) == 2
    assert "line 1 must be a JSON object with a study_id" in capsys.readouterr().err
    with pytest.raises(ValueError, match="line 1"):
        read_log(log)


def test_a_database_that_is_not_there_is_no_passed_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from service.invariants.__main__ import main

    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("METAOPT_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    assert main([]) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("hours", [None, -1, 1])
def test_a_stray_dispatcher_row_is_not_taken_for_a_live_one(
    engine: Engine, ended: tuple[str, Seen], hours: int | None
) -> None:
    with transaction(engine) as session:
        _running_attempt(session, "")
        if hours is not None:  # of a host that nobody can ask, whose clock was set back since
            then = database_now(session) + timedelta(hours=hours)
            row = {"holder": "elsewhere/boot/pid:[1] 1 1", "refreshed_at": then}
            session.execute(update(DispatcherRow).values(**row))
        epoch = session.scalar(select(DispatcherRow.epoch))
    (found,) = [one for one in check(engine).violations if one.rule == "stray"]
    assert found.what == f"runs since epoch {epoch}, and no dispatcher lives"


def test_what_went_by_a_rule_of_retention_is_no_violation(
    engine: Engine, ended: tuple[str, Seen], tmp_path: Path
) -> None:
    study_id, seen = ended
    keep, now = Keep(*[timedelta(days=1)] * 5), datetime.now(UTC) + timedelta(days=2)
    gone = Counter[str]()
    for piece in clear(engine, Directories(tmp_path, tmp_path), keep, now):
        gone[piece.what] += piece.amount
    assert gone["events"] > 10 and gone["segments"] > 2 and gone["idempotency keys"] == 1
    with transaction(engine) as session:  # as if it had been submitted on the day before
        session.execute(update(Study).values(created_at=now - timedelta(days=4)))
    found = check(engine, replace(seen, snapshots=None)).violations
    assert found == []
    with transaction(engine) as session:
        session.execute(delete(Event).where(Event.kind == "study_completed"))
    assert {one.rule for one in check(engine, replace(seen, snapshots=None)).violations} == {"once"}
