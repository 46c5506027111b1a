"""The real dispatcher's process, whose workers compute the toy objective.

python -m tests.chaos.toy.dispatcher      as `python -m service.daemon`
"""

import sys
from contextlib import nullcontext
from typing import Any

from service import daemon
from service.executors.child import ChildProcess
from service.settings import Settings

REAL, TOY = "service.executors.worker", "tests.chaos.toy.worker"


def use_toy_workers() -> None:
    """From now on what would start a worker of this process starts a toy."""
    start = ChildProcess.__init__

    def begin(self: ChildProcess, module: str, *arguments: Any, **named: Any) -> None:
        start(self, TOY if module == REAL else module, *arguments, **named)

    ChildProcess.__init__ = begin  # type: ignore[method-assign]


def use_no_mirror() -> None:
    """From now on no mirror follows: it costs more than all else of a small study."""
    daemon.mirroring = lambda *arguments: nullcontext()  # type: ignore[assignment]


if __name__ == "__main__":
    use_toy_workers()
    sys.exit(daemon.run(Settings()))
