"""Proof: does a device work for a worker of this slot, before any trial is spent on it?

A process of its own runs one small kernel (`service.executors.kernel`) with the very variables
that the worker will have.  So neither a driver that hangs nor one that crashes does any harm here.
"""

import os
import sys
from collections.abc import Mapping

from service.executors.answers import answer_of, ending, last_line
from service.executors.base import Slot
from service.executors.process import worker_environment

BROKEN = 3
"""What the process of a proof ends with after it has said what is wrong."""

PROOF_SECONDS = 90.0  # torch on a slow disk, and a driver that wakes eight devices


def prove(slot: Slot, environment: Mapping[str, str], seconds: float = PROOF_SECONDS) -> str | None:
    """Why nothing can be computed on the device of `slot`, or None.

    Args:
        environment: Of the process that would start its worker.
        seconds: How long the proof may take.
    """
    command = [sys.executable, "-m", "service.executors.kernel", slot.device]
    try:
        answer = answer_of(command, worker_environment(slot, environment), seconds)
    except TimeoutError:
        return f"it did not answer within {seconds:g} s"
    except OSError as error:
        return f"no process can be started: {error.strerror}"
    if answer.code == 0:
        return None
    if answer.code == BROKEN:
        return last_line(answer.out)
    return f"the process that tried it ended with {ending(answer.code)}: {last_line(answer.err)}"


def device_fault(slot: Slot) -> str | None:
    """Why the device of `slot` does not work now, or None; cores are always taken to work."""
    return None if slot.device == "cpu" else prove(slot, os.environ)
