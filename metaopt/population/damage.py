"""Damage: whether an error in reading a file says something of that file, or of the machine.

the file is lost or unreadable, its directory is there   damage: the one before may be whole
its directory is lost, or cannot be read either          the machine: a disk that is away
all else (no descriptor, no permission, a stale handle)  the machine: the file may be whole
"""

import errno
import os
from pathlib import Path

_OF_THE_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.ELOOP, errno.ENXIO}


def is_damage(path: Path, error: OSError) -> bool:
    """Whether `error`, met in reading `path`, says that this very file is lost or damaged."""
    if error.errno not in _OF_THE_FILE:
        return False
    try:
        with os.scandir(path.parent) as others:
            next(others, None)
    except OSError:
        return False
    return True
