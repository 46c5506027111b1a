"""Where this process looks for the data sets that tasks name by their digest."""

from pathlib import Path

from metaopt.data.pack import Packed
from metaopt.data.store import DataStore
from metaopt.errors import InvalidData

_directory: Path | None = None


def look_in(directory: Path | None) -> None:
    """Look there from now on; nothing has to be there yet.  None looks nowhere."""
    global _directory
    _directory = directory


def looked_in() -> Path | None:
    """Where this process looks."""
    return _directory


def load(reference: str) -> Packed:
    """The data set of that digest or name.

    Raises:
        InvalidData: It is not there, or it is damaged.
    """
    if _directory is None:
        raise InvalidData(
            f"no directory of data sets is known here, where {reference} might be: name one with "
            "metaopt.data.shelf.look_in"
        )
    return DataStore(_directory).load(reference)
