"""A dispatcher's process that begins with all its modules loaded: half of a short life is that.

It is forked from a server that has imported them (`multiprocessing`), and is from there on a
process as any other: it has a pid, takes signals, starts workers and dies.
"""

import os
import sys
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[3]
PRELOADED = ["service.daemon", "tests.chaos.toy.dispatcher", "tests.chaos.sweep.process"]

_context = get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


class Dispatcher:
    """One, started.

    Args:
        environment: All its variables.
        customized: Folder with the plan of `tests.chaos.sweep.instrument`.
        log: Its log is added there.
        toy: Whether its workers compute the toy objective, and no mirror follows.
    """

    def __init__(
        self, environment: dict[str, str], customized: Path, log: Path, *, toy: bool
    ) -> None:
        arguments = environment, str(customized), str(log), toy
        self._process = _context.Process(target=live, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def exit_code(self) -> int | None:
        """How it ended; None while it lives."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int | None:
        """Wait for its end, but not for longer; return as `exit_code`."""
        self._process.join(seconds)
        return self._process.exitcode

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, if it lives, and wait."""
        self._process.kill()
        self._process.join()


def live(environment: dict[str, str], customized: str, log: str, toy: bool) -> None:
    """What the process does."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    number = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(number, 1)
    os.dup2(number, 2)
    os.close(number)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    from service import daemon
    from service.settings import Settings
    from tests.chaos.sweep.instrument import begin_as
    from tests.chaos.toy.dispatcher import use_no_mirror, use_toy_workers

    begin_as("dispatcher", customized)
    if toy:
        use_toy_workers()
        use_no_mirror()
    sys.exit(daemon.run(Settings()))
