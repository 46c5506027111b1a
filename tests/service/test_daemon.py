import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal, TextIO

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from service import daemon
from service.db.dispatcher import look, slots_told
from service.db.engine import reading
from service.dispatcher.slots import SlotsLost
from service.executors.base import Slot
from service.executors.plugins import Plugins
from service.executors.slots import Found
from service.settings import Settings
from service.wire.views.slots import SlotsView
from tests.waiting import wait_until


def nothing(*_: Any, **__: Any) -> None:
    pass


def keep_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave logging and signals of this process as they are."""
    for name in ("configure_logging", "_drain_on_signals"):
        monkeypatch.setattr(daemon, name, nothing)


def test_a_full_disk_ends_the_epoch_and_not_the_process(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []

    def run_epoch(
        _settings: Settings,
        _engine: Engine,
        epoch: int,
        _found: Found,
        _plugins: Plugins,
        stop: threading.Event,
        _log_to: TextIO,
    ) -> None:
        epochs.append(epoch)
        if len(epochs) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        stop.set()

    keep_process(monkeypatch)
    monkeypatch.setattr(daemon, "_run_epoch", run_epoch)
    monkeypatch.setattr(daemon, "_RETRY_SECONDS", 0.01)
    assert daemon.run(settings) == daemon.EXIT_DONE
    assert epochs == [1, 2]


def test_once_no_slot_works_they_are_found_anew(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def run_epoch(*arguments: Any) -> None:
        found, _, stop = arguments[3:6]
        seen.append([slot.name for slot in found.slots])
        if len(seen) == 1:
            raise SlotsLost("it fell off the bus")
        stop.set()

    keep_process(monkeypatch)
    monkeypatch.setattr(daemon, "_run_epoch", run_epoch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    before = Found([Slot("cuda:0", "cuda")])
    one = settings.model_copy(update={"slots": 1})
    assert daemon.run(one, found=before) == daemon.EXIT_DONE
    assert seen == [["cuda:0"], ["cpu:0"]]


def test_it_does_not_begin_where_devices_were_asked_for_and_none_works(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_process(monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    with capture_logs() as logs:
        code = daemon.run(settings.model_copy(update={"devices": "cuda"}))
    assert code == daemon.EXIT_UNUSABLE
    assert [log["event"] for log in logs] == ["no_device_works"]
    assert "NoDevFiles" in logs[0]["cause"]
    with reading(engine) as session:
        assert look(session) is None


def test_a_broken_webhooks_file_ends_the_process_before_it_stands_by(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep_process(monkeypatch)
    file = tmp_path / "webhooks.yaml"
    file.write_text("- {name: ci}")
    broken = settings.model_copy(update={"webhooks_file": file})
    with capture_logs() as logs:
        assert daemon.run(broken) == daemon.EXIT_UNUSABLE
    assert [log["event"] for log in logs] == ["webhooks_unreadable"]
    assert "[0].url is required" in logs[0]["cause"]
    with reading(engine) as session:
        assert look(session) is None


def test_webhooks_are_told_while_the_epoch_runs(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep_process(monkeypatch)
    file = tmp_path / "webhooks.yaml"
    seen: list[set[str]] = []

    def run_epoch(*arguments: Any) -> None:
        seen.append({thread.name for thread in threading.enumerate()})
        arguments[5].set()

    monkeypatch.setattr(daemon, "_run_epoch", run_epoch)
    file.write_text(
        "- {name: ci, url: 'https://hooks.example.com', secret: 0123456789-secret,"
        " events: [study_failed]}"
    )
    configured = settings.model_copy(update={"webhooks_file": file})
    assert daemon.run(configured) == daemon.EXIT_DONE
    assert "webhook-ci" in seen[0]
    assert "webhook-ci" not in {thread.name for thread in threading.enumerate()}


STUCK = """
import time
from service import daemon
from service.settings import Settings

def run_epoch(*arguments):
    print("live", flush=True)
    time.sleep(1000)

daemon.STUCK_SECONDS = 1.0
daemon._run_epoch = run_epoch
daemon.run(Settings())
"""


def test_one_that_is_stuck_when_it_should_end_says_where_and_ends(
    engine: Engine, settings: Settings
) -> None:
    places = {
        "METAOPT_DATABASE_URL": settings.url().render_as_string(hide_password=False),
        "METAOPT_DATA_DIRECTORY": str(settings.data_directory),
        "METAOPT_DEVICES": "cpu",
    }
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        env={**os.environ, **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "live\n"
        process.terminate()
        assert process.wait(30) == 1
        assert "in run_epoch" in process.stderr.read()


@pytest.mark.parametrize(("device", "told"), [("cpu", 3 * 2**30), ("cuda", None)])
def test_the_api_is_told_what_a_worker_may_take(
    engine: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    device: Literal["cpu", "cuda"],
    told: int | None,
) -> None:
    keep_process(monkeypatch)
    stop, codes = threading.Event(), list[int]()
    found = Found([Slot(f"{device}:0", device)])
    limited = settings.model_copy(update={"worker_bytes": 3 * 2**30})

    def run() -> None:
        codes.append(daemon.run(limited, stop=stop, found=found, plugins=Plugins()))

    def said() -> object:
        with reading(engine) as session:
            return slots_told(session)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: said() is not None, 60)
        assert SlotsView.model_validate(said()).worker_bytes == told
    finally:
        stop.set()
        thread.join(60)
    assert codes == [daemon.EXIT_DONE]
