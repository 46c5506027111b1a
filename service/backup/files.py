"""Files of a service, which a backup keeps: checkpoints of a store of blobs, and data sets."""

import os
import shutil
from pathlib import Path

from service.backup.manifest import CHECKPOINTS
from service.backup.named import Named
from service.blobs.base import BlobStore


class Files:
    """What rows name, wherever it is.

    Args:
        data_directory: Where data sets are.
        blobs: Where checkpoints are.
    """

    def __init__(self, data_directory: Path, blobs: BlobStore) -> None:
        self.data_directory = data_directory
        self._blobs = blobs

    def keep_all(self, backup: Path) -> None:
        """Keep every checkpoint that is there now and takes no copying."""
        for key in self._blobs.at_hand():
            with self._blobs.local({key: None}) as paths:
                _keep(paths[key], backup / CHECKPOINTS / key)

    def keep(self, backup: Path, one: Named) -> bool:
        """Keep a file; False if it is not there."""
        key = key_of(one.path)
        if (backup / one.path).exists():
            return True
        if key is None:
            return _keep(self.data_directory / one.path, backup / one.path)
        with self._blobs.local({key: one.sha256}) as paths:
            return _keep(paths[key], backup / one.path)


def key_of(path: str) -> str | None:
    """The key of the checkpoint that a file of a backup is; None of what is none."""
    folder, _, key = path.partition("/")
    return key if folder == CHECKPOINTS else None


def _keep(source: Path, target: Path) -> bool:
    """Link a file, or copy it where that is not possible; False if it is not there."""
    if target.exists():
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        return False
    except OSError:  # another file system, or one without links
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            return False
    return True
