"""Checkpoints: the files of studies that are under way, and which of them stay.

STUDY/TRIAL-SHA256.safetensors     a trial's; no two trials share a file
STUDY/.kept                        what stays though no row names it
"""

from collections.abc import Collection

from service.blobs.base import BlobDamaged, BlobStore

_KEPT = ".kept"


class CheckpointStore:
    """The files of all trials that are under way.

    Args:
        blobs: Where they are.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def fault(self) -> str | None:
        """Why no checkpoint can be read or written at the moment; None if they can."""
        return self._blobs.fault()

    def adopt(self, names: Collection[str]) -> None:
        """Take the place for that of these files: if any is there, or there are none.

        Raises:
            OSError: It cannot be made.
        """
        self._blobs.adopt(names)

    def prepare(self, study_id: str) -> None:
        """Make room for the study's files.

        Raises:
            PrefixGone: There was, and it has been removed.
            OSError: It cannot be made.
        """
        self._blobs.prepare(study_id)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            BlobDamaged: It is lost, or cannot be read.
            OSError: The machine does not let it be read.
        """
        return self._blobs.read(name)

    def delete(self, name: str | None, *, at_once: bool = False) -> None:
        """Delete a file that no row names any more; one that stays is found at the next start.

        Args:
            at_once: The trial comes by here again, and may leave the very same file.
        """
        if name is not None:
            self._blobs.delete(name, at_once=at_once)

    def delete_study(self, study_id: str) -> None:
        """Delete all files of a study."""
        self._blobs.delete_all(study_id)

    def studies(self) -> list[str]:
        """The studies that have files, or room for them."""
        return self._blobs.prefixes()

    def files(self, study_id: str) -> set[str]:
        """The study's files, as rows name them."""
        return self._blobs.keys(study_id) - {f"{study_id}/{_KEPT}"}

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
            return  # nor need there be room
        kept = sorted(self._kept(study_id) | set(names))
        self._blobs.write(f"{study_id}/{_KEPT}", "\n".join(kept).encode())

    def _kept(self, study_id: str) -> set[str]:
        if f"{study_id}/{_KEPT}" not in self._blobs.keys(study_id):
            return set()
        try:
            return set(self._blobs.read(f"{study_id}/{_KEPT}").decode().splitlines())
        except BlobDamaged:
            return set()
