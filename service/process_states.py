"""What the kernel says of a process of this machine (`/proc`, Linux)."""

from pathlib import Path

STOPPED = "Tt"
"""Letters of one that is stopped, by a signal or by a debugger."""


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does, or "X" if it is not there."""
    fields = _stat(pid)
    return fields[0] if fields else "X"


def started(pid: int) -> str:
    """When a process began, in clock ticks since boot; "unknown" of one that is not there."""
    fields = _stat(pid)
    if len(fields) < 20 or fields[0] in "ZX":
        return "unknown"
    return fields[19]


def read(path: str) -> str:
    """The text of a file of the kernel, without spaces around it; "" if it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    # Fields after the command, which is in parentheses and may hold anything: the 1st is the
    # state, the 20th the start.
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()
