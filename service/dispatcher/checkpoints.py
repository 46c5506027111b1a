"""Checkpoints on disk: a directory per study; rows name files relative to the root.

The root is known again by a file in it.  Where that is not there the disk is another one, or none
is mounted: nothing is made or deleted there then, and nothing that rows name counts as lost.
"""

import errno
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import structlog

from metaopt.data.whole import write_whole
from service.backup.manifest import MARK

_KEPT = ".kept"

log = structlog.get_logger("dispatcher")


class DirectoryGone(FileNotFoundError):
    """A study's directory was there and has been removed, with all that trials resume from."""


class CheckpointStore:
    """The files of all trials that are under way.

    Args:
        root: Directory for them; made if needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._inside = os.path.join(self._root, "")
        self._made: set[str] = set()
        self._is_known = False

    def fault(self) -> str | None:
        """Why no checkpoint can be read or written at the moment; None if they can."""
        try:
            os.stat(self._root / MARK)
        except FileNotFoundError:
            return (
                f"the checkpoint directory {self._root} is not there, or empty, and trials resume "
                "from files in it: is its disk mounted? If they are lost, make it with an empty "
                f"file {MARK}, and they begin anew"
            )
        except OSError as error:
            return f"the checkpoint directory {self._root} cannot be used: {error.strerror}"
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            return f"the checkpoint directory {self._root} cannot be read and written"
        self._is_known = True
        return None

    def adopt(self, names: Collection[str]) -> None:
        """Take the root for the directory of these files: if any is there, or there are none.

        Raises:
            OSError: It cannot be made.
        """
        if os.path.exists(self._root / MARK):
            return
        if names and not any(os.path.exists(self._root / name) for name in names):
            return
        self._root.mkdir(parents=True, exist_ok=True)
        (self._root / MARK).touch()

    def directory(self, study_id: str) -> str:
        """The study's directory, made if needed.

        Raises:
            DirectoryGone: It was there before.
            OSError: It cannot be made.
        """
        path = self._root / study_id
        if not path.is_dir():
            if self._is_known and (fault := self.fault()) is not None:
                raise OSError(errno.ENODEV, fault)  # in the place of the disk nothing is made
            if study_id in self._made:
                raise DirectoryGone(errno.ENOENT, "a study's checkpoints were removed", str(path))
            path.mkdir(parents=True)
        self._made.add(study_id)
        return str(path)

    def name_of(self, path: str | None) -> str | None:
        """What a row says of the file at `path`.

        Raises:
            ValueError: it is not below the root.
        """
        return None if path is None else self._below(path)

    def path_of(self, name: str | None) -> str | None:
        """The path of the file that a row names.

        Raises:
            ValueError: it is not below the root.
        """
        if name is None:
            return None
        return self._inside + self._below(os.path.join(self._root, name))

    def _below(self, path: str) -> str:
        # As text: to ask the disk about each part of the path costs more than to delete the file.
        whole = os.path.abspath(path)
        if not whole.startswith(self._inside):
            raise ValueError(f"{path!r} is not in the subpath of {str(self._root)!r}")
        return whole.removeprefix(self._inside)

    def delete(self, name: str | None) -> None:
        """Delete a file that no row names any more; one that stays is found at the next start."""
        path = self.path_of(name)
        if path is not None:
            try:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            except OSError as error:
                log.warning("checkpoint_left", checkpoint=name, cause=error.strerror)

    def delete_study(self, study_id: str) -> None:
        """Delete all files of a study."""
        self._made.discard(study_id)
        shutil.rmtree(self._root / study_id, ignore_errors=True)

    def studies(self) -> list[str]:
        """The studies that have a directory."""
        directories = self._root.iterdir() if self._root.is_dir() else ()
        return sorted(path.name for path in directories if path.name != MARK)

    def files(self, study_id: str) -> set[str]:
        """The study's files, as rows name them."""
        directory = self._root / study_id
        found = os.listdir(directory) if directory.is_dir() else []
        return {f"{study_id}/{name}" for name in found if name != _KEPT}

    def unnamed(self, study_id: str, names: Collection[str]) -> list[str]:
        """The study's files but those of `names`: what a killed dispatcher left behind.

        What is kept for a newer database is none of it.
        """
        return sorted(self.files(study_id) - set(names) - self._kept(study_id))

    def keep(self, study_id: str, names: Collection[str]) -> None:
        """Keep files until their study ends, though no row names them.

        They are of a newer database than the one at work, and it may yet come back.
        """
        if not names:
            return  # nor need there be a directory
        kept = sorted(self._kept(study_id) | set(names))
        write_whole(self._root / study_id / _KEPT, ["\n".join(kept).encode()])

    def _kept(self, study_id: str) -> set[str]:
        try:
            return set((self._root / study_id / _KEPT).read_text().splitlines())
        except FileNotFoundError:
            return set()
