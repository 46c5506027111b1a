"""Data that are read must not change meanwhile: else what is packed never was anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR

from metaopt.data.files import unreadable, walk
from metaopt.errors import InvalidData

State = dict[str, tuple[int, int]]


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Hold that a file, or all below a folder, is the same before and after the block.

    Raises:
        InvalidData: It is not, as sizes and times of change say; that is then why a file could not
            be understood, too.
    """
    before = _state(path)
    try:
        yield
    except InvalidData:
        _compare(path, before)
        raise
    _compare(path, before)


def _compare(path: Path, before: State) -> None:
    after = _state(path)
    if after != before:
        names = before.keys() | after.keys()
        first = min(name for name in names if before.get(name) != after.get(name))
        raise InvalidData(
            f"{path / first if first else path} changed while it was read: add it again once "
            "nothing writes there"
        ) from None


def _state(path: Path) -> State:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from None
    if not S_ISDIR(status.st_mode):
        return {"": (status.st_size, status.st_mtime_ns)}
    return {
        found.name: (found.status.st_size, found.status.st_mtime_ns)
        for found in walk(path)
        if not found.is_folder
    }
