"""A spec that names its data by a path: they are packed here, and named by their digest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaopt.data.facts import DATASET
from service.cli.console import say
from service.cli.exits import Exit, Stop, unwritable


def with_own_data(document: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The spec, with the digest of its data set in place of a path to data.

    Args:
        directory: Of data sets.

    Raises:
        Stop: The data cannot be packed as they are, or not be stored.
    """
    tasks = document.get("tasks")
    if not isinstance(tasks, dict) or tasks.get("kind") != DATASET:
        return dict(document)
    given = tasks.get("dataset")
    if not isinstance(given, str) or not _is_path(given, directory):
        return dict(document)
    digest = _packed(Path(given).expanduser(), directory)
    return {**document, "tasks": {**tasks, "dataset": f"sha256:{digest}"}}


def _is_path(given: str, directory: Path) -> bool:
    """A name that is known here is one, whatever lies in the working directory."""
    if "/" in given:
        return True
    return not (directory / "names" / given).is_file() and Path(given).exists()


def _packed(path: Path, directory: Path) -> str:
    from metaopt.data.names import name_of
    from metaopt.data.reading import read
    from metaopt.data.store import DataStore
    from metaopt.errors import InvalidData

    try:
        packed = read(path)[1]
        store, digest = DataStore(directory), packed.manifest.digest
        if not store.names_of(digest):
            name = name_of(path)
            store.add(packed, name)
            say(f"packed {path} as data set {name}")
    except InvalidData as error:
        more = "`metaopt data add --help` lists what can be said of data"
        raise Stop(Exit.USAGE, f"tasks.dataset: {error}; {more}") from None
    except OSError as error:
        raise unwritable(error.filename or "the data set", error) from None
    for notice in packed.manifest.notices:
        say(f"mind: {notice}")
    return digest
