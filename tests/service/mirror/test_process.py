"""The mirror's process: it follows, it ends with its parent, and it is started again if it dies."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sqlalchemy import Engine
from structlog.testing import capture_logs

from service.db.dispatcher import acquire
from service.db.engine import transaction
from service.db.optuna.storage import open_storage
from service.db.tables import Trial
from service.mirror import process
from service.mirror.process import mirroring
from tests.fakes.rows import add_study, add_trial, end_trial
from tests.waiting import wait_until


def mirrors(parent: int | None = None) -> list[int]:
    """The processes that a process, by default this one, has as mirrors."""
    found = []
    for task in Path(f"/proc/{parent or os.getpid()}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                if b"service.mirror" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
            except OSError:  # it has just ended
                pass
    return found


def begin(engine: Engine) -> int:
    with transaction(engine) as session:
        return acquire(session, "me", lambda _: False) or 0


def test_it_ends_with_its_epoch(engine: Engine, database_url: str) -> None:
    epoch = begin(engine)
    with pytest.raises(OSError, match="disk"), mirroring(database_url, epoch):
        wait_until(lambda: len(mirrors()) == 1, what="the mirror")
        raise OSError("no room on the disk")
    assert mirrors() == []


def test_an_orderly_stop_mirrors_what_the_drain_brought_in(
    engine: Engine, database_url: str
) -> None:
    epoch = begin(engine)
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0).trial_id
    storage = open_storage(database_url)
    with mirroring(database_url, epoch):
        wait_until(lambda: len(storage.get_all_studies()) == 2, 60, what="the mirror")
        (mirror,) = mirrors()
        os.kill(mirror, signal.SIGTERM)  # as to all that is in a unit or container that stops
        with transaction(engine) as session:
            end_trial(session, session.get_one(Trial, trial_id), "completed", score=1.5)
    (trial,) = (t for s in storage.get_all_studies() for t in storage.get_all_trials(s._study_id))
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 1.5)
    assert mirrors() == []
    storage.remove_session()
    storage.engine.dispose()


def test_one_that_dies_is_started_again(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.01)
    storage = open_storage(database_url)
    with mirroring(database_url, begin(engine)):
        (first,) = mirrors()
        os.kill(first, signal.SIGKILL)
        with transaction(engine) as session:
            add_study(session)
        wait_until(lambda: len(storage.get_all_studies()) == 2, 60, what="the mirror")
        assert first not in mirrors()
    storage.remove_session()
    storage.engine.dispose()


def test_one_that_is_stopped_is_killed_and_started_again(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold the lock of SQLite, and then nobody writes, its own dispatcher neither."""
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(process, "STOPPED_SECONDS", 0.2)
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.05)
    storage = open_storage(database_url)
    with capture_logs() as logs, mirroring(database_url, begin(engine)):
        (first,) = mirrors()
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: first not in mirrors(), 60, what="its end")
        with transaction(engine) as session:
            add_study(session)
        wait_until(lambda: len(storage.get_all_studies()) == 2, 60, what="the mirror")
    assert logs[0]["event"] == "mirror_frozen"
    storage.remove_session()
    storage.engine.dispose()


def test_one_that_cannot_be_started_is_tried_again(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.01)
    epoch, python = begin(engine), sys.executable
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with capture_logs() as logs, mirroring(database_url, epoch):
        wait_until(lambda: len(logs) >= 2, 60, what="a second try")
        assert {line["event"] for line in logs} == {"mirror_not_started"}
        monkeypatch.setattr(sys, "executable", python)
        wait_until(lambda: mirrors() != [], 60, what="the mirror")
    assert mirrors() == []


def test_it_does_not_outlive_a_parent_that_is_killed(engine: Engine, database_url: str) -> None:
    program = (
        "import sys, time; from service.mirror.process import mirroring\n"
        "with mirroring(sys.argv[1], int(sys.argv[2])): time.sleep(600)"
    )
    arguments = [sys.executable, "-c", program, database_url, str(begin(engine))]
    with subprocess.Popen(arguments) as parent:
        wait_until(lambda: mirrors(parent.pid) != [], 60, what="the mirror")
        (mirror,) = mirrors(parent.pid)
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{mirror}").exists(), 60, what="its end")
    assert parent.returncode == -signal.SIGKILL


def test_a_long_computation_ends_with_the_parent() -> None:
    program = (
        "import time; from service.mirror import __main__ as mirror\n"
        "mirror.CUT_SECONDS = 0.1\n"
        "mirror.run_mirror = lambda *_: time.sleep(600)\n"
        "mirror.main()"
    )
    order = json.dumps({"database_url": "", "epoch": 1, "parent": os.getpid()}) + "\n"
    ended = subprocess.run([sys.executable, "-c", program], input=order, text=True, timeout=60)
    assert ended.returncode == 0


def test_the_dispatcher_does_not_load_what_only_the_mirror_needs() -> None:
    program = "import sys, service.daemon; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "service.dispatcher.loop" in loaded
    assert not {"optuna_dashboard", "plotly", "service.mirror.sync", "service.report"} & set(loaded)
