"""Answers: what a program said, waited for no longer than so long.

A driver that hangs cannot even be killed, so nobody here waits for the end of what was asked.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Answer(NamedTuple):
    """How a program ended, and what it wrote; `code` is negative for a signal."""

    code: int
    out: str
    err: str


def answer_of(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Answer:
    """Run `command` and return what it said.

    Raises:
        OSError: It cannot be started.
        TimeoutError: It did not end in time; it is killed, and not waited for.
    """
    process = subprocess.Popen(  # noqa: S603  # this Python, words of ours
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _give_up(process)
        raise TimeoutError(f"{command[0]} did not answer within {seconds:g} s") from None
    return Answer(process.returncode, out, err)


def _give_up(process: "subprocess.Popen[str]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=1.0)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def ending(code: int) -> str:
    """How a program ended, in words: "exit code 1", "SIGKILL"."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def last_line(text: str) -> str:
    """The last line that says something, or nothing."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
