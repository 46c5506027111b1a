"""Where this process looks for the data sets that tasks name by their digest.

    <directory>              a store
    <directory>/projects/*   stores likewise, one for each group of people who keep theirs apart

A digest means the same data in whichever of them they are.
"""

from pathlib import Path

from metaopt.data.pack import Packed
from metaopt.data.store import DataStore
from metaopt.errors import InvalidData

PROJECTS = "projects"

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
    return _store_with(_directory, reference).load(reference)


def project_directory(directory: Path, project: str) -> Path:
    """Where below a directory the store of a project is."""
    return directory / PROJECTS / project


def _store_with(directory: Path, reference: str) -> DataStore:
    """The first store that has it; else the one of the directory itself, which says so."""
    own = DataStore(directory)
    if not reference.startswith("sha256:"):
        return own  # a name means something in its own store alone
    folders = sorted(directory.glob(f"{PROJECTS}/*"))
    return next((s for s in (own, *map(DataStore, folders)) if _has(s, reference)), own)


def _has(store: DataStore, reference: str) -> bool:
    try:
        store.get(reference)
    except InvalidData:
        return False
    return True
