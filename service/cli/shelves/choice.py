"""Which shelf a command works on, and what is packed for none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metaopt.data.look import Look
from metaopt.data.packing import Packing
from service.cli.connection import connect
from service.cli.shelves.shelf import Shelf
from service.wire.views.datasets import DatasetView


@contextmanager
def shelf_of(remote: bool) -> Iterator[Shelf]:
    """Yield the data sets of the server, or of this machine; only what is needed is loaded."""
    if remote:
        from service.cli.shelves.there import There

        with connect() as client:
            yield There(client)
        return
    from service.cli.shelves.here import Here
    from service.settings import Settings

    yield Here(Settings())


def packed_here(path: Path, packing: Packing) -> tuple[Look, DatasetView]:
    """What a path was taken for, and the data set in it, which is not stored.

    Raises:
        InvalidData: It cannot be packed.
    """
    from metaopt.data.reading import read
    from service.client.datasets import of_packed
    from service.operations.datasets import dataset_view

    look, packed = read(path, packing)
    return look, dataset_view(packed.manifest, (), of_packed(packed).size)
