import errno
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from service import daemon
from service.db.dispatcher import last_refresh
from service.db.engine import reading
from service.settings import Settings


def nothing(*_: Any, **__: Any) -> None:
    pass


def keep_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave logging and signals of this process as they are."""
    for name in ("_configure_logging", "_drain_on_signals", "run_mirror"):
        monkeypatch.setattr(daemon, name, nothing)


def test_a_full_disk_ends_the_epoch_and_not_the_process(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []

    def run_epoch(_settings: Settings, _engine: Engine, epoch: int, stop: threading.Event) -> None:
        epochs.append(epoch)
        if len(epochs) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        stop.set()

    keep_process(monkeypatch)
    monkeypatch.setattr(daemon, "_run_epoch", run_epoch)
    monkeypatch.setattr(daemon, "_RETRY_SECONDS", 0.01)
    assert daemon.run(settings) == daemon.EXIT_DONE
    assert epochs == [1, 2]


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
        assert last_refresh(session) is None


def test_webhooks_are_told_while_the_epoch_runs(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep_process(monkeypatch)
    file = tmp_path / "webhooks.yaml"
    seen: list[set[str]] = []

    def run_epoch(*arguments: Any) -> None:
        seen.append({thread.name for thread in threading.enumerate()})
        arguments[-1].set()

    monkeypatch.setattr(daemon, "_run_epoch", run_epoch)
    file.write_text(
        "- {name: ci, url: 'https://hooks.example.com', secret: 0123456789-secret,"
        " events: [study_failed]}"
    )
    configured = settings.model_copy(update={"webhooks_file": file})
    assert daemon.run(configured) == daemon.EXIT_DONE
    assert "webhook-ci" in seen[0]
    assert "webhook-ci" not in {thread.name for thread in threading.enumerate()}
