"""Checkpoints on disk: a directory per study; rows name files relative to the root."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path


class CheckpointStore:
    """The files of all trials that are under way.

    Args:
        root: Directory for them; made if needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

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
        return None if path is None else str(self._below(Path(path)))

    def path_of(self, name: str | None) -> str | None:
        """The path of the file that a row names.

        Raises:
            ValueError: it is not below the root.
        """
        if name is None:
            return None
        return str(self._root / self._below(self._root / name))

    def _below(self, path: Path) -> Path:
        # As text: to ask the disk about each part of the path costs more than to delete the file.
        return Path(os.path.abspath(path)).relative_to(self._root)

    def delete(self, name: str | None) -> None:
        """Delete a file that no row names any more."""
        path = self.path_of(name)
        if path is not None:
            Path(path).unlink(missing_ok=True)

    def delete_study(self, study_id: str) -> None:
        """Delete all files of a study."""
        shutil.rmtree(self._root / study_id, ignore_errors=True)

    def studies(self) -> list[str]:
        """The studies that have a directory."""
        directories = self._root.iterdir() if self._root.is_dir() else ()
        return sorted(path.name for path in directories)

    def unnamed(self, study_id: str, names: Collection[str]) -> list[str]:
        """The study's files but those of `names`: what a killed dispatcher left behind."""
        directory = self._root / study_id
        found = os.listdir(directory) if directory.is_dir() else []
        return sorted({f"{study_id}/{name}" for name in found} - set(names))
