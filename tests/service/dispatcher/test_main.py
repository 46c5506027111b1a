import errno
import threading
from typing import Any

import pytest
from sqlalchemy import Engine

from service.dispatcher import main
from service.settings import Settings


def test_a_full_disk_ends_the_epoch_and_not_the_process(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []

    def run_epoch(_settings: Settings, _engine: Engine, epoch: int, stop: threading.Event) -> None:
        epochs.append(epoch)
        if len(epochs) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        stop.set()

    def nothing(*_: Any, **__: Any) -> None:
        pass

    for name in ("_configure_logging", "_drain_on_signals", "run_mirror"):
        monkeypatch.setattr(main, name, nothing)
    monkeypatch.setattr(main, "_run_epoch", run_epoch)
    monkeypatch.setattr(main, "_RETRY_SECONDS", 0.01)
    assert main.run(settings) == main.EXIT_DONE
    assert epochs == [1, 2]
