"""The files of a folder or of a zip, by name: one is as good as the other.

What a system puts beside somebody's files (names that begin with a dot, `__MACOSX`, `Thumbs.db`) is
not listed.  Nothing is unpacked to disk, and of an archive nothing is read before its own directory
says that it stays within bounds; a member that is longer than that says is damaged.
"""

import lzma
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from metaopt.data.limits import MOST_FILE_BYTES, MOST_FILES, MOST_UNPACKED, in_units
from metaopt.errors import InvalidData
from metaopt.messages import shown

_OF_SYSTEMS = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError,
    ValueError,
)  # fmt: skip
"""What Python raises at a zip that is damaged, encrypted, or of a sort that it does not read."""

_UTF8_NAME, _ENCRYPTED = 0x800, 0x1


class File(NamedTuple):
    """A file: its name from the root on with slashes, its size in bytes, and how it is opened."""

    name: str
    size: int
    content: Callable[[], bytes]

    def read(self) -> bytes:
        """All of its bytes.

        Raises:
            InvalidData: It is larger than a file of one example may be, or damaged.
        """
        if self.size > MOST_FILE_BYTES:
            raise InvalidData(
                f"{shown(self.name)} has {in_units(self.size)}, a file at most "
                f"{in_units(MOST_FILE_BYTES)}"
            )
        return self.content()


class Listing(NamedTuple):
    """All files, and all folders with those that hold nothing, sorted by name."""

    files: list[File]
    folders: list[str]


class Found(NamedTuple):
    """What a walk comes to: a folder or a regular file."""

    name: str
    path: Path
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)


def walk(root: Path) -> Iterator[Found]:
    """All folders and files below `root`, links followed.

    Raises:
        InvalidData: A link leads into a circle, something is neither file nor folder, a folder
            cannot be read, or there are too many.
    """
    number = 0
    for found in _walk(root, "", frozenset()):
        number += 1
        if number > MOST_FILES:
            raise InvalidData(f"{root} holds more than {MOST_FILES:,} files: name a smaller folder")
        yield found


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    try:
        status = folder.stat()
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise unreadable(folder, error) from None
    me = (status.st_dev, status.st_ino)
    if me in above:
        raise InvalidData(f"{folder} is a link to a folder that it lies in: remove the link")
    for entry in entries:
        if _is_of_a_system(entry):
            continue
        path = folder / entry
        try:
            status = path.stat()
        except OSError as error:
            raise unreadable(path, error) from None
        found = Found(f"{prefix}{entry}", path, status)
        if not found.is_folder and not stat.S_ISREG(status.st_mode):
            raise InvalidData(f"{path} is neither a file nor a folder: remove it")
        yield found
        if found.is_folder:
            yield from _walk(path, f"{found.name}/", above | {me})


def in_folder(root: Path) -> Listing:
    """The files below a folder.

    Raises:
        InvalidData: As `walk`; or two names are the same but for how their accents are written.
    """
    files, folders = [], []
    for name, path, status in walk(root):
        if stat.S_ISDIR(status.st_mode):
            folders.append(_composed(name))
        else:
            files.append(File(_composed(name), status.st_size, _reader(path)))
    return _listing(root, files, folders)


def _reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(MOST_FILE_BYTES)
        except OSError as error:
            raise unreadable(path, error) from None

    return read


@contextmanager
def in_zip(path: Path) -> Iterator[Listing]:
    """Yield the files of a zip; they can be read while the block runs.

    Raises:
        InvalidData: It is no readable zip, is encrypted, would unpack to too much, or has names
            that lead out of it.
    """
    try:
        archive = zipfile.ZipFile(path)
    except BAD_ZIP as error:
        raise InvalidData(f"{path} cannot be read as a zip: {told(error)}") from None
    except OSError as error:
        raise unreadable(path, error) from None
    with archive:
        yield _members(path, archive)


def _members(path: Path, archive: zipfile.ZipFile) -> Listing:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise InvalidData(f"{path} holds {len(infos):,} files, at most {MOST_FILES:,} are read")
    whole = sum(info.file_size for info in infos)
    if whole > MOST_UNPACKED:
        raise InvalidData(
            f"{path} would unpack to {in_units(whole)}, at most {in_units(MOST_UNPACKED)} is read"
        )
    files, folders = [], []
    for info in infos:
        name = _member_name(path, info)
        parts = PurePosixPath(name).parts
        if any(map(_is_of_a_system, parts)):
            continue
        folders += ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if info.is_dir():
            folders.append("/".join(parts))
        else:
            files.append(File("/".join(parts), info.file_size, _member(path, archive, info)))
    return _listing(path, files, folders)


def _member_name(path: Path, info: zipfile.ZipInfo) -> str:
    """The name, which must stay inside.

    One whose bytes are UTF-8 is that, whatever its flag; a backslash is a slash, as old tools of
    Windows have it.
    """
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            pass  # it is as the format's first edition had it
    name = name.replace("\\", "/")
    parts = name.split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise InvalidData(f"{path} has a name that leads out of it, {shown(name)}: pack it anew")
    if info.flag_bits & _ENCRYPTED:
        raise InvalidData(f"{path} is encrypted, {shown(name)} cannot be read: pack it without")
    return _composed(name)


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(info)
        except BAD_ZIP as error:
            raise InvalidData(
                f"{shown(info.filename)} in {path} is damaged: {told(error)}; pack the zip anew"
            ) from None
        except OSError as error:
            raise unreadable(path, error) from None

    return read


def _listing(root: Path, files: list[File], folders: list[str]) -> Listing:
    names = sorted(file.name for file in files)
    for one, other in zip(names, names[1:], strict=False):
        if one == other:
            raise InvalidData(f"{root} holds {shown(one)} twice: remove one")
    return Listing(sorted(files, key=lambda file: file.name), sorted(set(folders)))


def told(error: BaseException, limit: int = 200) -> str:
    """What somebody else's error says, on one line and not at any length."""
    text = " ".join(str(error).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def unreadable(path: Path, error: OSError) -> InvalidData:
    """How a file that the system does not give is told."""
    return InvalidData(f"{path} cannot be read: {error.strerror or error}")


def _composed(name: str) -> str:
    """A name as most systems write it: the same letters are the same name, and give one digest."""
    return unicodedata.normalize("NFC", name)


def _is_of_a_system(name: str) -> bool:
    return name.startswith(".") or name in _OF_SYSTEMS
