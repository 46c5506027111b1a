"""A shelf: what the commands do with data sets, wherever these are."""

from pathlib import Path
from typing import Protocol

from metaopt.data.packing import Packing
from service.wire.views.datasets import DatasetList, DatasetView, RemovedDataset


class Shelf(Protocol):
    """Data sets somewhere; `place` says where, to be put after what was done."""

    place: str

    def add(self, path: Path, name: str, packing: Packing) -> DatasetView:
        """Pack what is at a path, and store it under a name."""

    def all(self) -> DatasetList: ...

    def show(self, reference: str) -> DatasetView: ...

    def export(self, reference: str, folder: Path) -> str:
        """Write a data set into a new folder; return its digest, `sha256:…`."""

    def remove(self, reference: str) -> RemovedDataset: ...
