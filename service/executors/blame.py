"""Blame: whose fault an error in a segment is, as its worker sees it.  Listed is the trial's own.

    too little memory                  the lanes', together: of the device, or of what the worker
                                       may take
      that the worker may take         the machine's: the host refused it, which somebody else
                                       fills (`service.executors.memory` tells the two apart)
    a refusal of ours (MetaoptError)   the order's
    what computing raises              the trial's, but for what only an exhausted machine says:
                                       Python and torch tell a thread that cannot be started, or a
                                       full disk, as any other RuntimeError, by the system's words
    what is raised in a plug-in        the trial's, but for the same
    all else, and every OSError        the machine's: whatever its number is, also that a file is
      behind one of these              not there: what a study names was there when it came

So a machine may fail in ways that nobody thought of, and no trial is charged.  An error says where
it comes from by those that it was raised from (`raise … from`), also where they are not shown.
Whoever exhausts the machine itself, as a plug-in that starts threads without bound, is told by what
others meanwhile can do (`service.dispatcher.retries`): the twentieth time ends a trial alone.
"""

import errno
import os
import re
import sys
from collections.abc import Iterator
from math import prod

from metaopt.errors import CorruptCheckpoint, DataNotFound
from service.executors.memory import refused_by_host

OWN = (
    ArithmeticError, AssertionError, AttributeError, BufferError, LookupError, NameError,
    RuntimeError, SyntaxError, TypeError, ValueError, Warning,
)  # fmt: skip
"""What computing raises, and torch; a MetaoptError is a ValueError."""

EXHAUSTED = frozenset(
    {
        errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOLCK, errno.ENOMEM,
        errno.ENOSPC, errno.EROFS, errno.ESTALE,
    }
)  # fmt: skip
"""What a machine says that has no room, descriptors or disk left, whoever asked it."""

_WORDS = {os.strerror(number): number for number in (EXHAUSTED - {errno.ENOMEM}) | {errno.EAGAIN}}
"""How torch, which has no OSError, tells them; EAGAIN is of a thread, by a limit of processes."""

_NO_THREAD = "can't start new thread"  # Python's word for it

_STARTERS = frozenset({"multiprocessing", "subprocess"})
"""Who starts processes in the standard library: EAGAIN of others is a socket without data."""

OF_STORAGE = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EHOSTDOWN, errno.EIO, errno.ENODEV, errno.ENOENT,
        errno.ENOSPC, errno.ENOTCONN, errno.ENOTDIR, errno.ENXIO, errno.EPERM, errno.EROFS,
        errno.ESTALE, errno.ETIMEDOUT,
    }
)  # fmt: skip
"""What it says of a disk that is full or away: of all that is on it, and of no trial."""

_KNOWN = frozenset(
    {
        "metaopt", "service", "__main__", "torch", "torchgen", "functorch", "triton", "sympy",
        "numpy", "scipy", "PIL", "pyarrow", "safetensors", "structlog",
    }
)  # fmt: skip
"""Packages that workers use without any plug-in."""


_TOLD_BY_TORCH = "DefaultCPUAllocator: can't allocate memory"
_ASKED = re.compile(rf"{_TOLD_BY_TORCH}: you tried to allocate (\d+) bytes")
_TOLD_BY_CPP = "std::bad_alloc"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what is behind it, says that there is not enough memory."""
    if isinstance(error, CorruptCheckpoint):
        return False
    return any(_is_of_device(one) or _is_of_host(one) for one in _chain(error))


def is_refused_by_host(error: BaseException) -> bool:
    """Whether that memory is the host's, which refused what this process may take."""
    of_host = next((one for one in _chain(error) if _is_of_host(one)), None)
    return of_host is not None and refused_by_host(_asked_bytes(of_host))


def _is_of_device(error: BaseException) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError)


def _is_of_host(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    told = isinstance(error, RuntimeError) and not _is_of_device(error)
    text = str(error) if told else ""
    return isinstance(error, MemoryError) or _TOLD_BY_TORCH in text or text == _TOLD_BY_CPP


def _asked_bytes(error: BaseException) -> int | None:
    """What was asked for, as torch says it in words and numpy by a shape."""
    asked = _ASKED.search(str(error))
    if asked is not None:
        return int(asked[1])
    if type(error).__module__.partition(".")[0] == "numpy":
        shape, dtype = getattr(error, "shape", None), getattr(error, "dtype", None)
        return None if shape is None or dtype is None else prod(shape) * int(dtype.itemsize)
    return None


def is_machines(error: BaseException) -> bool:
    """Whether `error` is the machine's fault, and says nothing about the trials it was met by."""
    if isinstance(error, CorruptCheckpoint):
        return False  # whoever reads the file has told a broken one from a broken machine
    if _is_of_lost_data(error) or any(map(_is_of_exhausted, _chain(error))):
        return True
    behind = _of_system(error)
    if behind is None:
        return not isinstance(error, OWN) and not _in_plugin(error)
    return not _in_plugin(error) and not _in_plugin(behind)


def is_of_storage(error: BaseException) -> bool:
    """Whether an error of the machine is that of a disk which is full or away."""
    numbers = map(_number, _chain(error))
    told = next((number for number in numbers if number is not None), None)
    return _is_of_lost_data(error) or told in OF_STORAGE


def _is_of_exhausted(error: BaseException) -> bool:
    """Whether it is what only an exhausted machine says, whoever asked it."""
    number = _number(error)
    if number == errno.EAGAIN and isinstance(error, OSError):
        return _raised_in(error).partition(".")[0] in _STARTERS
    return number in EXHAUSTED or number == errno.EAGAIN


def _number(error: BaseException) -> int | None:
    """The system's number of what it says, if it is the system that says it."""
    if isinstance(error, OSError):
        return error.errno
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    if _NO_THREAD in text:
        return errno.EAGAIN
    return next((number for words, number in _WORDS.items() if words in text), None)


def _raised_in(error: BaseException) -> str:
    """The name of the module that raised it."""
    name, traceback = "", error.__traceback__
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return name


def _is_of_lost_data(error: BaseException) -> bool:
    """Whether a data set is not there: it was when its study came, and nobody may remove it."""
    return any(isinstance(one, DataNotFound) for one in _chain(error))


def _of_system(error: BaseException) -> OSError | None:
    return next((one for one in _chain(error) if isinstance(one, OSError)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _in_plugin(error: BaseException) -> bool:
    """Whether it came through code that is neither ours, nor Python's, nor a library's of ours."""
    traceback = error.__traceback__
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        top = name.partition(".")[0]
        if top not in _KNOWN and top not in sys.stdlib_module_names:
            return True
        traceback = traceback.tb_next
    return False
