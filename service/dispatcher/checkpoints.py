"""Checkpoints on disk: a directory per study; rows name files relative to the root."""

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from metaopt.data.whole import write_whole

_KEPT = ".kept"


class CheckpointStore:
    """The files of all trials that are under way.

    Args:
        root: Directory for them; made if needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._inside = os.path.join(self._root, "")

    def directory(self, study_id: str) -> str:
        """The study's directory, made if needed."""
        path = self._root / study_id
        path.mkdir(parents=True, exist_ok=True)
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
        """Delete a file that no row names any more."""
        path = self.path_of(name)
        if path is not None:
            with suppress(FileNotFoundError):
                os.unlink(path)

    def delete_study(self, study_id: str) -> None:
        """Delete all files of a study."""
        shutil.rmtree(self._root / study_id, ignore_errors=True)

    def studies(self) -> list[str]:
        """The studies that have a directory."""
        directories = self._root.iterdir() if self._root.is_dir() else ()
        return sorted(path.name for path in directories)

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
        kept = sorted(self._kept(study_id) | set(names))
        write_whole(self._root / study_id / _KEPT, ["\n".join(kept).encode()])

    def _kept(self, study_id: str) -> set[str]:
        try:
            return set((self._root / study_id / _KEPT).read_text().splitlines())
        except FileNotFoundError:
            return set()
