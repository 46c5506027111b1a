"""Exit codes, and how an error becomes one.

0 done · 1 gate failed · 2 usage or spec error · 3 study failed or cancelled
4 wait timed out, the study goes on · 5 server unreachable or refused · 130 interrupted
70 a bug of ours: never mistaken for a verdict · 74 the machine: a full disk, a closed stdout
"""

import errno
from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    STUDY_FAILED = 3
    WAIT_TIMED_OUT = 4
    UNREACHABLE = 5
    BUG = 70
    MACHINE = 74
    INTERRUPTED = 130


class Stop(Exception):
    """The command ends here: `message` goes to stderr, `code` to the shell."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


CALLERS_FAULTS = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.EEXIST, errno.ETXTBSY,
)  # fmt: skip


def unwritable(where: object, error: OSError) -> Stop:
    """How a command ends that cannot write: by the caller's fault, if another place would do."""
    code = Exit.USAGE if error.errno in CALLERS_FAULTS else Exit.MACHINE
    return Stop(code, f"{where} cannot be written: {error.strerror or error}")


def refusal_of_machine(error: OSError | MemoryError) -> Stop:
    """How a command ends that the machine refuses something."""
    if isinstance(error, MemoryError):
        return Stop(Exit.MACHINE, "this machine refuses: it has no memory left")
    where = f"{error.filename}: " if error.filename is not None else ""
    return Stop(Exit.MACHINE, f"this machine refuses: {where}{error.strerror or error}")
