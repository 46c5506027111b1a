"""An output file: where a user wants something written, whatever stands there.

    a regular file, or nothing   a new file beside it takes its place: whole or not at all
    a link                       what it leads to is written, and it stays a link
    a pipe, a device, a socket   written in place, as it comes
    /dev/stdout, /dev/fd/N       the open file that this names, from where it stands

Where a new file cannot take the place of a regular one without changing more than its content
(the folder may not be written, somebody else owns it, it has another name too, it is a mount),
the content is written into it at the end.
"""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

DESCRIPTORS = "/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"
MOST_LINKS = 40  # as many as Linux follows
IN_MEMORY_BYTES = 2**20
NO_NEW_FILE = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write; what was written is at `path` when the block ends without an error.

    Raises:
        OSError: It cannot be written; a regular file that was there is as it was, but where only
            writing into it is possible and that breaks off.
    """
    descriptor = descriptor_of(path)
    found = None if descriptor is not None else _status(path)
    if descriptor is not None:
        with open(os.dup(descriptor), "wb") as file:
            yield file
    elif found is not None and not stat.S_ISREG(found.st_mode):
        with open(os.open(path, os.O_WRONLY), "wb") as file:  # neither made nor cut
            yield file
    else:
        with _regular(Path(os.path.realpath(path)), found) as file:
            yield file


def write_output(path: Path, content: bytes | str) -> None:
    """Write all of `content` to `path`, as `output_file` does; a text in UTF-8."""
    with output_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_output(path: Path) -> None:
    """Return if `path` can be written, as far as one can see without writing.

    A pipe is not opened: whoever reads it would take that for all there is.

    Raises:
        OSError: It cannot.
    """
    descriptor = descriptor_of(path)
    if descriptor is not None:
        os.fstat(descriptor)
        return
    found = _status(path)
    if found is None:
        folder = Path(os.path.realpath(path)).parent
        part, file = _new_beside(folder / path.name, 0o600)
        file.close()
        part.unlink()
    elif stat.S_ISREG(found.st_mode):
        os.close(os.open(path, os.O_WRONLY))
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def descriptor_of(path: Path) -> int | None:
    """The open file of this process that a path names, as /dev/stdout does, or None."""
    folders = {os.path.realpath(folder) for folder in DESCRIPTORS} | {"/dev/fd"}
    place = str(path)
    for _ in range(MOST_LINKS):
        folder, name = os.path.realpath(os.path.dirname(place)), os.path.basename(place)
        if folder in folders and name.isdecimal():
            return int(name)
        place = os.path.join(folder, name)
        if not os.path.islink(place):
            return None
        place = os.path.join(folder, os.readlink(place))
    return None


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths are of the same output."""
    descriptors = descriptor_of(one), descriptor_of(other)
    if any(number is not None for number in descriptors):
        return descriptors[0] == descriptors[1]
    return os.path.realpath(one) == os.path.realpath(other)


def _status(path: Path) -> os.stat_result | None:
    """What stands there, links followed; None is nothing.

    Raises:
        IsADirectoryError: A directory.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return found


@contextmanager
def _regular(path: Path, found: os.stat_result | None) -> Iterator[BinaryIO]:
    if found is not None:
        os.close(os.open(path, os.O_WRONLY))  # a file that must not be written is not replaced
    beside = None if found is not None and found.st_nlink > 1 else _beside(path, found)
    if beside is None:
        with _into(path) as file:
            yield file
        return
    part, file = beside
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a full disk may be told only now
        _take_place(part, path)
    finally:
        part.unlink(missing_ok=True)


def _beside(path: Path, found: os.stat_result | None) -> tuple[Path, BinaryIO] | None:
    """A new file in the same folder, with the owner and permissions of the old one.

    None is that there can be none for a file that can be written itself.
    """
    try:
        part, file = _new_beside(path, 0o666 if found is None else 0o600)
    except OSError as error:
        if found is None or error.errno not in NO_NEW_FILE:
            raise
        return None
    if found is None:
        return part, file
    try:
        os.fchown(file.fileno(), found.st_uid, found.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
    except OSError:
        file.close()
        part.unlink()
        return None
    return part, file


def _new_beside(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    part = path.with_name(f".metaopt-{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    return part, open(os.open(part, flags, mode), "wb")


def _take_place(part: Path, path: Path) -> None:
    try:
        part.replace(path)
    except OSError as error:
        if error.errno != errno.EBUSY:  # a mount point, as of one file in a container
            raise
        with part.open("rb") as whole, path.open("wb") as file:
            shutil.copyfileobj(whole, file)


@contextmanager
def _into(path: Path) -> Iterator[BinaryIO]:
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as whole:
        yield cast(BinaryIO, whole)
        whole.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(whole, file)
