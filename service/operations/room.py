"""Room: what data sets that are sent here may take of a disk, which may be the database's own."""

import shutil
from pathlib import Path
from typing import NamedTuple

from metaopt.data.limits import in_units
from service.errors import StorageFull


class Room(NamedTuple):
    """What may be sent, and what it leaves.

    Args:
        most_bytes: Of the arrays of one data set; 0 takes none.
        waiting_bytes: Of all arrays of a project that no manifest has come for; None is no bound.
        free_bytes: That stay free on the disk.
    """

    most_bytes: int = 0
    waiting_bytes: int | None = None
    free_bytes: int = 0

    def check(self, directory: Path, size: int) -> None:
        """Refuse what would leave less than stays free.

        Args:
            directory: On the disk that it is for.
            size: Bytes that would be written.

        Raises:
            StorageFull: It would.
        """
        free = shutil.disk_usage(directory).free
        if size > free - self.free_bytes:
            left = in_units(self.free_bytes)
            raise StorageFull(
                f"the server's disk has room for {max(0, free - self.free_bytes)} bytes beside the "
                f"{left} that stay free (METAOPT_UPLOAD_FREE_BYTES), {size} more were to come: "
                "nothing was stored; make room, then again"
            )
