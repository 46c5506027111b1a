"""A spec that names its data by a path: they are packed here, and named by their digest."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.data.facts import DATASET
from metaopt.errors import DataNameTaken, InvalidData
from service.cli.console import say
from service.cli.exits import Exit, Stop, unwritable
from service.cli.shelves.refusals import ADVICE

if TYPE_CHECKING:
    from metaopt.data.pack import Packed
    from metaopt.data.store import DataStore
    from service.client.client import Client


def with_own_data(document: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The spec, with the digest of its data set in place of a path to data.

    Args:
        directory: Of data sets.

    Raises:
        Stop: The data cannot be packed as they are, or not be stored.
    """
    given = _named(document)
    if given is None or not _is_path(given, directory):
        return dict(document)
    return _naming(document, f"sha256:{_packed(Path(given).expanduser(), directory)}")


def with_data_sent(document: Mapping[str, Any], client: "Client") -> dict[str, Any]:
    """The spec, with the digest of its data set in place of a path to data, which are sent.

    What the server has already is not sent again.

    Raises:
        Stop: The data cannot be packed as they are.
    """
    given = _named(document)
    if given is None:
        return dict(document)
    from service.cli.shelves.there import is_path, sent  # what no other spec needs

    if not is_path(given, client):
        return dict(document)
    try:
        return _naming(document, sent(Path(given).expanduser(), client))
    except InvalidData as error:
        raise Stop(Exit.USAGE, f"tasks.dataset: {error}; {ADVICE} --remote") from None


def _named(document: Mapping[str, Any]) -> str | None:
    """What a spec names its data by; None if its tasks are not on data."""
    tasks = document.get("tasks")
    if not isinstance(tasks, dict) or tasks.get("kind") != DATASET:
        return None
    given = tasks.get("dataset")
    return given if isinstance(given, str) else None


def _naming(document: Mapping[str, Any], digest: str) -> dict[str, Any]:
    return {**document, "tasks": {**document["tasks"], "dataset": digest}}


def _is_path(given: str, directory: Path) -> bool:
    """A name that is known here is one, whatever lies in the working directory."""
    if "/" in given:
        return True
    names = directory / "names" / given
    return not os.path.isfile(names) and os.path.exists(given)  # whatever the name, no error


def _packed(path: Path, directory: Path) -> str:
    from metaopt.data.names import name_of
    from metaopt.data.reading import read
    from metaopt.data.store import DataStore

    try:
        packed = read(path)[1]
        store, digest = DataStore(directory), packed.manifest.digest
        if not store.names_of(digest):
            say(f"packed {path} as data set {_added(store, packed, name_of(path))}")
    except InvalidData as error:
        raise Stop(Exit.USAGE, f"tasks.dataset: {error}; {ADVICE}") from None
    except OSError as error:
        raise unwritable(error.filename or "the data set", error) from None
    for notice in packed.manifest.notices:
        say(f"mind: {notice}")
    return digest


def _added(store: "DataStore", packed: "Packed", name: str) -> str:
    """Store it under the name, or without one if that means other data; what it is called."""
    try:
        store.add(packed, name)
    except DataNameTaken:
        return f"sha256:{store.add(packed, None)}"
    return name
