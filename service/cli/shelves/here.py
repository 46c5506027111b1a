"""The data sets of this machine: `datasets/` in the data directory."""

from pathlib import Path

from sqlalchemy import inspect

from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from service.db.access.projects import within
from service.db.engine import open_engine, reading
from service.db.tables import Study
from service.default_project import DEFAULT_PROJECT
from service.operations import datasets
from service.settings import Settings
from service.wire.views.datasets import DatasetList, DatasetView, RemovedDataset


class Here:
    """A shelf whose data sets the studies of a server on the same data directory may need.

    Args:
        settings: Where they are, and the database.
    """

    place = ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = DataStore(settings.data_sets())

    def add(self, path: Path, name: str, packing: Packing) -> DatasetView:
        """Pack what is at a path, and store it under a name."""
        packed = read(path, packing)[1]
        self._store.add(packed, name)
        return datasets.view_of(self._store, packed.manifest)

    def all(self) -> DatasetList:
        """All of them."""
        return datasets.all_datasets(self._store)

    def show(self, reference: str) -> DatasetView:
        """One of them."""
        return datasets.view_of(self._store, self._store.get(reference))

    def export(self, reference: str, folder: Path) -> str:
        """Write one into a new folder; return its digest."""
        self._store.export(reference, folder)
        return f"sha256:{self._store.get(reference).digest}"

    def remove(self, reference: str) -> RemovedDataset:
        """Forget a name, and the data that have no other.

        Raises:
            DatasetInUse: A study that has not ended, or a schedule, needs them.
        """
        digest = self._store.remove(reference, self._check_unused)
        return datasets.removed(self._store, digest)

    def _check_unused(self, digest: str) -> None:
        url = self._settings.url()
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
            return
        engine = open_engine(url)
        try:
            if inspect(engine).has_table(Study.__tablename__):
                with reading(engine) as session, within(session, DEFAULT_PROJECT):
                    datasets.check_unused(session, digest)
        finally:
            engine.dispose()
