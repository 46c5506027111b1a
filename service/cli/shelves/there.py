"""The data sets of a server, and data that are sent to it."""

import os
from pathlib import Path

from metaopt.data.names import name_of
from metaopt.data.packing import Packing
from service.cli.console import say
from service.client.client import Client
from service.client.datasets import Sendable, sendable, stored
from service.client.errors import ServerRefused
from service.wire.views.datasets import DatasetList, DatasetView, RemovedDataset


class There:
    """A shelf at a server.

    Args:
        client: The way to it.
    """

    def __init__(self, client: Client) -> None:
        self._datasets = client.datasets
        self.place = f" at {client.url}"

    def add(self, path: Path, name: str, packing: Packing) -> DatasetView:
        """Send what is at a path, or else the data set of this machine that is called so."""
        given = None if packing == Packing() else packing
        if given is None and not os.path.exists(path) and (found := _of_this_machine(str(path))):
            return self._datasets.add(found, name)
        return self._datasets.add(path, name, packing=given)

    def all(self) -> DatasetList:
        """All of them."""
        return self._datasets.all()

    def show(self, reference: str) -> DatasetView:
        """One of them."""
        return self._datasets.show(reference)

    def export(self, reference: str, folder: Path) -> str:
        """Write one into a new folder; return its digest."""
        digest = self._datasets.show(reference).digest
        self._datasets.download(digest, folder)
        return digest

    def remove(self, reference: str) -> RemovedDataset:
        """Forget a name, and the data that have no other."""
        return self._datasets.remove(reference)


def is_path(given: str, client: Client) -> bool:
    """Whether a spec names its data by a path.

    A name that the server knows is one, whatever lies in the working directory.
    """
    if "/" in given:
        return True
    return os.path.exists(given) and _find(client, given) is None  # whatever the name, no error


def sent(path: Path, client: Client) -> str:
    """Have the server have the data at a path; return their digest, `sha256:…`.

    Raises:
        InvalidData: They cannot be packed as they are.
    """
    ready = sendable(path)
    digest = f"sha256:{ready.manifest.digest}"
    if _find(client, digest) is None:
        called = _added(ready, name_of(path), client)
        say(f"sent {path} to {client.url} as data set {called}")
    for notice in ready.manifest.notices:
        say(f"mind: {notice}")
    return digest


def _added(ready: Sendable, name: str, client: Client) -> str:
    """Add it under the name, or without one if that means other data there; what it is called."""
    try:
        client.datasets.add(ready, name)
    except ServerRefused as error:
        if error.problem.code != "dataset-exists":
            raise
        return client.datasets.add(ready).digest
    return name


def _find(client: Client, reference: str) -> DatasetView | None:
    try:
        return client.datasets.show(reference)
    except ServerRefused as error:
        if error.problem.status != 404:
            raise
        return None


def _of_this_machine(reference: str) -> Sendable | None:
    """The data set of this machine that is called so; None if there is none."""
    from metaopt.data.store import DataStore  # a client alone has none
    from metaopt.errors import DataNotFound
    from service.settings import Settings

    store = DataStore(Settings().data_sets())
    try:
        manifest = store.get(reference)
    except DataNotFound:
        return None
    return stored(manifest, store.arrays_of(manifest))
