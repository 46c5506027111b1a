"""Whether an error in reading a file is of that file, or of the disk that it lies on."""

import errno
from pathlib import Path
from typing import cast

import pytest

from metaopt.errors import CorruptCheckpoint
from metaopt.population import checkpoint
from metaopt.population.damage import is_damage
from metaopt.population.step import Program

UNREAD = cast(Program, None)  # nobody looks at it before the file is read


def error_of(path: Path) -> OSError:
    with pytest.raises(OSError) as met:
        path.read_bytes()
    return met.value


def test_a_lost_file_in_a_directory_that_is_there_is_damage(tmp_path: Path) -> None:
    assert is_damage(tmp_path / "lost", error_of(tmp_path / "lost"))
    assert is_damage(tmp_path / "lost", OSError(errno.EIO, "Input/output error"))
    (tmp_path / "a directory").mkdir()
    assert is_damage(tmp_path / "a directory", error_of(tmp_path / "a directory"))


def test_a_directory_that_is_away_says_nothing_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "away" / "lost", tmp_path / "file" / "lost"):
        assert not is_damage(path, error_of(path))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE, errno.ENOMEM])
def test_what_else_the_machine_says_is_no_damage(tmp_path: Path, number: int) -> None:
    assert not is_damage(tmp_path / "file", OSError(number, "said so"))


def test_a_checkpoint_whose_disk_is_away_is_not_taken_for_damaged(tmp_path: Path) -> None:
    with pytest.raises(CorruptCheckpoint):
        checkpoint.read(tmp_path / "lost", UNREAD, None, "cpu")
    with pytest.raises(FileNotFoundError):
        checkpoint.read(tmp_path / "away" / "lost", UNREAD, None, "cpu")
