"""An output file: what stands there decides how it is written; a failure leaves it as it was."""

import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.output_file import check_output, descriptor_of, is_same, output_file, write_output


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_output(tmp_path / "new", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == b"x" and mode(tmp_path / "new") == 0o640


def test_an_old_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("long old text")
    old.chmod(0o604)
    number = old.stat().st_ino
    write_output(old, b"new")
    assert (old.read_bytes(), mode(old), names(tmp_path)) == (b"new", 0o604, ["old"])
    assert old.stat().st_ino != number  # whoever reads the old one reads all of it


@given(st.binary(), st.booleans())
def test_what_breaks_off_leaves_the_old_file_whole_and_nothing_beside_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, is_there: bool
) -> None:
    folder = tmp_path_factory.mktemp("output")
    old = folder / "old"
    if is_there:
        old.write_bytes(content)
    with pytest.raises(RuntimeError), output_file(old) as file:
        file.write(b"half")
        file.flush()
        raise RuntimeError
    assert names(folder) == (["old"] if is_there else [])
    assert not is_there or old.read_bytes() == content


def test_a_file_with_another_name_keeps_both_and_is_written_only_at_the_end(tmp_path: Path) -> None:
    old, twin = tmp_path / "old", tmp_path / "twin"
    old.write_text("old text")
    os.link(old, twin)
    with pytest.raises(RuntimeError), output_file(old) as file:
        file.write(b"half")
        raise RuntimeError
    assert twin.read_text() == "old text"
    write_output(old, b"new")
    assert twin.read_bytes() == b"new" and old.samefile(twin)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "there").mkdir()
    real, link, second = tmp_path / "there" / "real", tmp_path / "link", tmp_path / "second"
    if exists:
        real.write_text("old")
    link.symlink_to("there/real")
    second.symlink_to(link)
    check_output(second)
    write_output(second, b"new")
    assert link.is_symlink() and second.is_symlink() and real.read_bytes() == b"new"
    assert names(tmp_path) == ["link", "second", "there"] and names(real.parent) == ["real"]


def test_a_pipe_stays_a_pipe_and_is_checked_without_opening_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    check_output(pipe)  # would wait for ever for a reader, had it opened the pipe
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    check_output(pipe)  # would be the end of all that the reader waits for
    write_output(pipe, b"table")
    reader.join(10)
    assert got == [b"table"] and pipe.is_fifo() and names(tmp_path) == ["pipe"]


@pytest.mark.parametrize("place", ["/dev/fd/{}", "/proc/self/fd/{}", "{link}"])
def test_an_open_file_is_written_from_where_it_stands(tmp_path: Path, place: str) -> None:
    log, link = tmp_path / "log", tmp_path / "link"
    with log.open("wb") as file:
        file.write(b"before\n")
        file.flush()
        link.symlink_to(f"/proc/self/fd/{file.fileno()}")
        path = Path(place.format(file.fileno(), link=link))
        check_output(path)
        assert descriptor_of(path) == file.fileno()
        write_output(path, b"table\n")
        file.write(b"after\n")
    assert log.read_bytes() == b"before\ntable\nafter\n"
    assert names(tmp_path) == ["link", "log"]


def test_a_device_is_written_in_place() -> None:
    check_output(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        write_output(Path("/dev/full"), b"x")
    write_output(Path("/dev/null"), b"x")
    assert Path("/dev/full").is_char_device() and Path("/dev/null").is_char_device()


def test_what_cannot_be_written_is_said_before_and_then(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("x")
    for name, reason in {
        "": "Is a directory",
        "nowhere/f": "No such file or directory",
        "loop": "Too many levels of symbolic links",
        "file/f": "Not a directory",
        "n" * 300: "File name too long",
    }.items():
        for write in (check_output, lambda path: write_output(path, b"x")):
            with pytest.raises(OSError, match=reason):
                write(tmp_path / name)
    assert names(tmp_path) == ["file", "loop"] and (tmp_path / "file").read_text() == "x"


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    before = (tmp_path / "old").stat().st_mtime_ns
    check_output(tmp_path / "old")
    check_output(tmp_path / "new")
    assert names(tmp_path) == ["old"] and (tmp_path / "old").stat().st_mtime_ns == before


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """Return a folder that an ordinary user may write, who this process is meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="metaopt-output-"))
    before = os.geteuid()
    if before == 0:  # root may write everything
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    yield folder
    os.seteuid(before)
    shutil.rmtree(folder)


def test_permissions_are_kept(folder_of_nobody: Path) -> None:
    closed, read_only = folder_of_nobody / "closed", folder_of_nobody / "read-only"
    closed.mkdir()
    (closed / "file").write_text("old")
    closed.chmod(0o500)
    write_output(closed / "file", b"new")  # no new file can stand beside it
    assert (closed / "file").read_bytes() == b"new"
    for write in (check_output, lambda path: write_output(path, b"x")):
        with pytest.raises(PermissionError):
            write(closed / "new")
    read_only.write_text("old")
    read_only.chmod(0o400)
    for write in (check_output, lambda path: write_output(path, b"x")):
        with pytest.raises(PermissionError):
            write(read_only)
    assert read_only.read_text() == "old" and names(closed) == ["file"]


def test_two_names_of_one_file_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    assert is_same(tmp_path / "link", tmp_path / "x" / ".." / "file")
    assert is_same(Path("/dev/stdout"), Path("/proc/self/fd/1"))
    assert not is_same(tmp_path / "a", tmp_path / "b")
    assert not is_same(Path("/dev/stdout"), Path("/dev/stderr"))
