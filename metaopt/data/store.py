"""The store: packed data sets in a directory, by digest and by name.

    <digest>.json                the manifest
    <arrays' digest>.safetensors
    names/<name>                 the digest that somebody calls so

A file is written beside and then renamed, arrays before the manifest before the name, so whoever
has a name or a digest has the whole.  Who adds or removes holds a lock; who reads needs none.
"""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from metaopt.data import arrays as files
from metaopt.data.look import ARRAYS_FILE, MANIFEST_FILE
from metaopt.data.manifest import Manifest
from metaopt.data.names import Names, checked_name
from metaopt.data.pack import Packed
from metaopt.data.whole import checked, parsed
from metaopt.errors import InvalidData
from metaopt.messages import shown

_PART = ".part"


class Entry(NamedTuple):
    """A data set of a store, and what people call it there."""

    manifest: Manifest
    names: tuple[str, ...]


class DataStore:
    """Data sets in a directory, which is made when something is added.

    Args:
        directory: Where they are.

    Example:
        >>> store = DataStore("metaopt-data/datasets")
        >>> store.entries()
        []
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._names = Names(self.directory / "names")

    def add(self, packed: Packed, name: str) -> str:
        """Store a data set under a name, and return its digest; again only mends what is damaged.

        Raises:
            InvalidData: The name is none, or means another data set here.
            OSError: It cannot be written; then nothing has the name.
        """
        digest = packed.manifest.digest
        checked_name(name)
        checked(packed)
        with self._locked():
            taken = self._names.all().get(name, digest)
            if taken != digest:
                raise InvalidData(
                    f"the name {shown(name)} means sha256:{taken[:12]}… here: take another one, "
                    "or remove that data set first"
                )
            arrays = self._arrays(packed.manifest.arrays)
            if not files.is_whole(arrays, packed.manifest.arrays):
                _write(arrays, files.pieces(packed.arrays))
            _write(self._manifest(digest), [packed.manifest.to_json().encode()])
            _write(self._names.directory / name, [f"{digest}\n".encode()])
        return digest

    def get(self, reference: str) -> Manifest:
        """The manifest of a data set; no array is read.

        Args:
            reference: A name, `sha256:` and 64 hexadecimal digits, or these alone.

        Raises:
            InvalidData: There is none, or it is damaged.
        """
        digest = self._names.digest_of(reference)
        path = self._manifest(digest)
        try:
            manifest = parsed(path.read_text("utf-8"), path)
        except FileNotFoundError:
            raise InvalidData(f"there is no data set {shown(reference, 80)} here") from None
        except UnicodeDecodeError:
            raise InvalidData(_damaged(path)) from None
        except OSError as error:
            raise InvalidData(f"{path} cannot be read: {error.strerror or error}") from None
        if manifest.digest != digest:
            raise InvalidData(_damaged(path))
        return manifest

    def load(self, reference: str) -> Packed:
        """A data set with its arrays, which have the digest that the manifest names.

        Args:
            reference: As for `get`.

        Raises:
            InvalidData: There is none, or it is damaged.
        """
        manifest = self.get(reference)
        arrays = files.read(self._arrays(manifest.arrays), manifest.arrays)
        return checked(Packed(manifest, arrays))

    def names_of(self, digest: str) -> tuple[str, ...]:
        """What a data set is called here."""
        return tuple(name for name, one in self._names.all().items() if one == digest)

    def entries(self) -> list[Entry]:
        """All data sets, by their first name; those without one at the end, by digest.

        Raises:
            InvalidData: One is damaged.
        """
        digests = [path.stem for path in self.directory.glob("*.json")]
        entries = [Entry(self.get(digest), self.names_of(digest)) for digest in digests]
        return sorted(entries, key=lambda one: (not one.names, one.names, one.manifest.digest))

    def remove(self, reference: str) -> str:
        """Forget a name, or by digest all names, and what nothing names then; return the digest.

        Raises:
            InvalidData: There is no such data set.
            OSError: A file cannot be removed.
        """
        with self._locked():
            digest = self._names.digest_of(reference)
            names = self.names_of(digest)
            if not names and not self._manifest(digest).exists():
                raise InvalidData(f"there is no data set {shown(reference, 80)} here")
            for name in (reference,) if reference in names else names:
                (self._names.directory / name).unlink()
            if not self.names_of(digest):
                self._manifest(digest).unlink(missing_ok=True)
            self._sweep()
        return digest

    def export(self, reference: str, folder: str | Path) -> Path:
        """Write a data set into a new folder, from which it can be added elsewhere.

        Raises:
            InvalidData: There is none, it is damaged, or the folder holds something.
            OSError: It cannot be written.
        """
        packed = self.load(reference)
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidData(f"{folder} is there and not an empty folder: name a new one")
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / ARRAYS_FILE, files.pieces(packed.arrays))
        _write(folder / MANIFEST_FILE, [packed.manifest.to_json().encode()])
        return folder

    def _manifest(self, digest: str) -> Path:
        return self.directory / f"{digest}.json"

    def _arrays(self, digest: str) -> Path:
        return self.directory / f"{digest}.safetensors"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._names.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released with the file, also by a kill
            yield

    def _sweep(self) -> None:
        """Remove arrays that no manifest names, and what a killed process left half written."""
        try:
            named = {self.get(path.stem).arrays for path in self.directory.glob("*.json")}
        except InvalidData:
            return  # who knows which arrays a damaged manifest names
        for path in self.directory.glob("*.safetensors"):
            if path.stem not in named:
                path.unlink()
        for folder in (self.directory, self._names.directory):
            for path in folder.glob(f".*{_PART}"):
                path.unlink()


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{secrets.token_hex(8)}{_PART}")
    try:
        with part.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())  # a full disk may be told only now
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _damaged(path: Path) -> str:
    return (
        f"{path} is damaged, it is not what its name says: add the data again, or remove the data "
        f"set by its digest, {path.stem}"
    )
