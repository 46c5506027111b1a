"""Data sets over the API: `client.datasets`.

    client.datasets.add("kana.zip", "kana")      packed here, sent if the server has it not
    client.submit({…, "tasks": {"kind": "dataset", "dataset": "kana", …}})

Packing needs what reads the data (numpy, and Pillow for images); a folder that was exported, or a
data set that is packed already, is sent without.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

from metaopt.data.look import ARRAYS_FILE, MANIFEST_FILE
from metaopt.data.manifest import Manifest
from metaopt.errors import InvalidData
from service.client.errors import ClientError, ServerRefused
from service.client.http import Http, in_path
from service.output_file import output_file, write_output
from service.wire.views.datasets import (
    PAGE_LIMIT,
    DatasetList,
    DatasetManifest,
    DatasetView,
    RemovedDataset,
    all_pages,
)

if TYPE_CHECKING:
    from metaopt.data.pack import Packed
    from metaopt.data.packing import Packing

PIECE_BYTES = 2**20
MOST_UPLOADS = 2  # the second if the first was removed before its manifest came
LONG = httpx2.Timeout(600.0, connect=5.0)  # the server reads gigabytes before it answers


class Sendable(NamedTuple):
    """A packed data set as it is sent.

    Args:
        manifest: What it is.
        size: Bytes of the file of its arrays.
        pieces: Gives that file from its beginning, each time it is called.
    """

    manifest: Manifest
    size: int
    pieces: Callable[[], Iterable[bytes | memoryview]]


class Datasets:
    """Data that studies of the server can name.

    Args:
        http: The way to the server; its errors are those of `Client`.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def add(
        self,
        source: "str | Path | Packed | Sendable",
        name: str | None = None,
        *,
        packing: "Packing | None" = None,
    ) -> DatasetView:
        """Add a data set; its arrays are sent only if the server has them not.

        Args:
            source: A path, packed here as `metaopt data add` does; or what is packed already.
            name: What it is called there; without one, by its digest alone.
            packing: Of a path, what is known of it.

        Raises:
            InvalidData: What is at the path cannot be packed.
        """
        ready = source if isinstance(source, Sendable) else sendable(source, packing)
        manifest = ready.manifest
        body = {"name": name, "manifest": manifest.to_data()}
        content, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        for _ in range(MOST_UPLOADS):
            try:
                return self._added(content, headers)
            except ServerRefused as error:
                if error.problem.code != "dataset-incomplete":
                    raise
            self._send(ready)
        return self._added(content, headers)

    def all(self) -> DatasetList:
        """All data sets, and those that are damaged."""
        return all_pages(self._page)

    def _page(self, cursor: str | None) -> DatasetList:
        params: dict[str, Any] = {"limit": PAGE_LIMIT}
        if cursor is not None:
            params["cursor"] = cursor
        return self._http.call(DatasetList, "GET", "/datasets", params=params)

    def show(self, reference: str) -> DatasetView:
        """The data set of that name, or `sha256:` and its digest."""
        return self._http.call(DatasetView, "GET", f"/datasets/{in_path(reference)}")

    def remove(self, reference: str) -> RemovedDataset:
        """Forget a name, and the data that have no other; by digest, all its names."""
        return self._http.call(RemovedDataset, "DELETE", f"/datasets/{in_path(reference)}")

    def download(self, reference: str, folder: str | Path) -> Path:
        """Write a data set into a new folder, as `metaopt data export` does.

        Raises:
            ClientError: What came is not what the digest says.
            InvalidData: The folder holds something.
            OSError: It cannot be written.
        """
        view, folder = self.show(reference), Path(folder)
        manifest = manifest_of(view)
        if f"sha256:{manifest.digest}" != view.digest:
            raise ClientError(f"the manifest that {self._http.url} sent is not {view.digest}")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidData(f"{folder} is there and not an empty folder: name a new one")
        folder.mkdir(parents=True, exist_ok=True)
        with output_file(folder / ARRAYS_FILE) as file:
            self._receive(view.digest, manifest.arrays, file.write)
        write_output(folder / MANIFEST_FILE, manifest.to_json())
        return folder

    def _added(self, content: bytes, headers: Mapping[str, str]) -> DatasetView:
        arguments: dict[str, Any] = {"content": content, "headers": headers, "timeout": LONG}
        return self._http.call(DatasetView, "POST", "/datasets", **arguments)

    def _send(self, ready: Sendable) -> None:
        path = f"/datasets/blobs/{ready.manifest.arrays}"
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(ready.size),
        }
        self._http.content(
            "PUT", path, content=lambda: _cut(ready.pieces()), headers=headers, timeout=LONG
        )

    def _receive(self, digest: str, arrays: str, write: Callable[[bytes], Any]) -> None:
        hashed = hashlib.sha256()
        try:
            with self._http.stream(f"/datasets/{in_path(digest)}/blob") as response:
                for piece in response.iter_bytes():
                    hashed.update(piece)
                    write(piece)
        except httpx2.TransportError as error:
            raise self._http.unreachable(error) from None
        if hashed.hexdigest() != arrays:
            raise ClientError(f"the arrays that {self._http.url} sent are damaged: get them again")


def manifest_of(view: DatasetView) -> Manifest:
    """The manifest that an answer of the API holds."""
    return Manifest.from_data(view.model_dump(include=set(DatasetManifest.model_fields)))


def sendable(source: "str | Path | Packed", packing: "Packing | None" = None) -> Sendable:
    """What is at a path, packed; or what is packed already.

    Raises:
        InvalidData: What is at the path cannot be packed.
    """
    if not isinstance(source, str | Path):
        return of_packed(source)
    path = Path(source)
    files = path / MANIFEST_FILE, path / ARRAYS_FILE
    if packing is None and all(map(os.path.isfile, files)):  # no error, whatever the name
        return exported(path)
    from metaopt.data.reading import read

    return of_packed(read(path, packing)[1])


def of_packed(packed: "Packed") -> Sendable:
    """A data set that is in memory."""
    from metaopt.data import arrays

    size = sum(map(len, arrays.pieces(packed.arrays)))
    return Sendable(packed.manifest, size, lambda: arrays.pieces(packed.arrays))


def exported(folder: Path) -> Sendable:
    """A data set that somebody exported; whether its files fit each other is the server's to say.

    Raises:
        InvalidData: Its manifest is none, or a file cannot be read.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = Manifest.from_json(path.read_bytes().decode("utf-8"))
        return stored(manifest, folder / ARRAYS_FILE)
    except OSError as error:
        cause = error.strerror or error
        raise InvalidData(f"{error.filename or path} cannot be read: {cause}") from None
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InvalidData(f"{path} is no manifest of a data set: {error}") from None


def stored(manifest: Manifest, arrays: Path) -> Sendable:
    """A data set whose arrays are in a file.

    Raises:
        OSError: They are not.
    """
    return Sendable(manifest, arrays.stat().st_size, lambda: _read(arrays))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _cut(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Yield the same in small pieces: each must be on its way before the time for one is up."""
    for piece in pieces:
        for begin in range(0, len(piece), PIECE_BYTES):
            yield bytes(piece[begin : begin + PIECE_BYTES])
