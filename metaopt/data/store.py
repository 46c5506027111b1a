"""The store: packed data sets in a directory, by digest and by name.

    <digest>.json                the manifest
    <arrays' digest>.safetensors
    names/<name>                 the digest that somebody calls so
    incoming/                    arrays that were sent here, until a manifest comes for them

A file is written beside and then renamed, arrays before the manifest before the name, so whoever
has a name or a digest has the whole.  Who adds or removes holds a lock; who reads needs none, and
who relies on a data set that it has found to stay holds another (`staying`), which removing waits
for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from metaopt.data import arrays as files
from metaopt.data.incoming.arrays_file import check_arrays
from metaopt.data.incoming.rules import check_manifest, check_packed
from metaopt.data.incoming.staging import Staging
from metaopt.data.look import ARRAYS_FILE, MANIFEST_FILE
from metaopt.data.manifest import Manifest
from metaopt.data.names import Names, checked_name, digest_in
from metaopt.data.pack import Packed
from metaopt.data.whole import PART, locked, write_whole
from metaopt.errors import (
    DamagedData,
    DataIncomplete,
    DataNameTaken,
    DataNotFound,
    InvalidData,
)
from metaopt.messages import shown

_ARRAYS = ".safetensors"
_STAYING = ".staying"


class Entry(NamedTuple):
    """A data set of a store, and what people call it there."""

    manifest: Manifest
    names: tuple[str, ...]


class Damaged(NamedTuple):
    """A data set of a store that cannot be read, what people call it, and what is wrong."""

    digest: str
    names: tuple[str, ...]
    cause: str


class Place(NamedTuple):
    """Where a data set stands among those of a store, which are sorted by it."""

    is_nameless: bool
    first_name: str
    digest: str


def place_of(digest: str, names: Sequence[str]) -> Place:
    """Where a data set stands.

    Args:
        names: What it is called, in order.

    Example:
        >>> place_of("00ff", ()) > place_of("ff00", ("zoo",))
        True
    """
    return Place(not names, names[0] if names else "", digest)


Before = Callable[[str, tuple[str, ...]], None]
"""Called with a digest and its names before something is changed; what it raises leaves all as it
is.
"""


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
        self.incoming = Staging(self.directory / "incoming")

    def add(self, packed: Packed, name: str | None) -> str:
        """Store a data set under a name, and return its digest; again only mends what is damaged.

        Args:
            name: None adds none.

        Raises:
            InvalidData: The name is none.
            DataNameTaken: It means another data set here.
            OSError: It cannot be written; then nothing has the name.
        """
        manifest = packed.manifest
        check_packed(packed)
        with self._naming(manifest, name):
            arrays = self.arrays_of(manifest)
            if not files.is_whole(arrays, manifest.arrays):
                write_whole(arrays, files.pieces(packed.arrays))
        return manifest.digest

    def add_sent(
        self, manifest: Manifest, name: str | None, before: Before = lambda *_: None
    ) -> str:
        """Store a data set whose arrays are here or `incoming`, as `add`.

        They are read twice, piece by piece, and never in memory as a whole.

        Args:
            before: Called before anything is written, with what it will be called.

        Raises:
            InvalidData: The manifest is none, or the arrays are not those that it tells of.
            DataIncomplete: The arrays are not here.
            DataNameTaken, OSError: As `add`.
        """
        check_manifest(manifest)
        arrays, sent = self.arrays_of(manifest), self.incoming.path(manifest.arrays)
        found = next((p for p in (arrays, sent) if files.is_whole(p, manifest.arrays)), None)
        if found is None:
            raise _no_arrays(manifest)
        check_arrays(found, manifest)
        with self._naming(manifest, name):
            names = self.names_of(manifest.digest)
            new = () if name is None or name in names else (name,)
            before(manifest.digest, tuple(sorted((*names, *new))))
            if found == sent:
                with suppress(FileNotFoundError):  # somebody else has just taken them
                    sent.replace(arrays)
            if not arrays.exists():
                raise _no_arrays(manifest)
        return manifest.digest

    def has_arrays(self, digest: str) -> bool:
        """Whether arrays of that SHA-256 are here, or `incoming`, undamaged."""
        places = self.directory / f"{digest}{_ARRAYS}", self.incoming.path(digest)
        return any(files.is_whole(path, digest) for path in places)

    @contextmanager
    def _naming(self, manifest: Manifest, name: str | None) -> Iterator[None]:
        """Hold the lock while arrays are put in place, and then write manifest and name."""
        digest = manifest.digest
        if name is not None:
            checked_name(name)
        with self._locked():
            taken = digest if name is None else self._names.all().get(name, digest)
            if taken != digest:
                raise DataNameTaken(
                    f"the name {shown(name)} means sha256:{taken[:12]}… here: take another one, "
                    "or remove that data set first"
                )
            yield
            write_whole(self._manifest(digest), [manifest.to_json().encode()])
            if name is not None:
                write_whole(self._names.directory / name, [f"{digest}\n".encode()])

    def get(self, reference: str) -> Manifest:
        """The manifest of a data set; no array is read.

        Args:
            reference: A name, `sha256:` and 64 hexadecimal digits, or these alone.

        Raises:
            DataNotFound: There is none.
            DamagedData: It is damaged.
        """
        digest = self._names.digest_of(reference)
        try:
            text = self._manifest(digest).read_bytes().decode("utf-8")
            manifest = Manifest.from_json(text)
            if manifest.digest == digest:
                return manifest
        except FileNotFoundError:
            raise _not_found(reference) from None
        except OSError as error:
            cause = error.strerror or str(error)
            raise DamagedData(f"the manifest of {_named(digest)} cannot be read: {cause}") from None
        except (ValueError, TypeError, LookupError, RecursionError):
            pass  # no manifest at all
        raise DamagedData(
            f"{_named(digest)} is damaged, its manifest is not what its name says: add the data "
            f"again, or remove the data set by its digest, {digest}"
        )

    def load(self, reference: str) -> Packed:
        """A data set with its arrays, which have the digest that the manifest names.

        Args:
            reference: As for `get`.

        Raises:
            InvalidData: There is none, or it is damaged.
        """
        manifest = self.get(reference)
        arrays = files.read(self.arrays_of(manifest), manifest.arrays)
        return check_packed(Packed(manifest, arrays))

    def names_of(self, digest: str) -> tuple[str, ...]:
        """What a data set is called here."""
        return tuple(name for name, one in self._names.all().items() if one == digest)

    def each(self, after: "Place | None" = None) -> Iterator["Entry | Damaged"]:
        """Yield data sets by their first name, then those without one, by digest.

        One manifest is read at a time, as it is asked for; those that cannot be read are damaged.

        Args:
            after: Only those behind this place, whether or not there is still one at it.
        """
        called: dict[str, list[str]] = {}
        for name, digest in self._names.all().items():
            called.setdefault(digest, []).append(name)
        places = (place_of(digest, called.get(digest, ())) for digest in self._digests())
        for place in sorted(place for place in places if after is None or place > after):
            names = tuple(called.get(place.digest, ()))
            try:
                with suppress(DataNotFound):  # it was removed meanwhile
                    yield Entry(self.get(place.digest), names)
            except DamagedData as error:
                yield Damaged(place.digest, names, str(error))

    def listing(self) -> tuple[list[Entry], list[Damaged]]:
        """All data sets, and the damaged, each in the order of `each`."""
        entries, damaged = [], []
        for one in self.each():
            entries.append(one) if isinstance(one, Entry) else damaged.append(one)
        return entries, damaged

    def entries(self) -> list[Entry]:
        """The data sets of `listing` that are not damaged."""
        return self.listing()[0]

    def manifest_bytes(self, digest: str) -> int:
        """Bytes of a manifest's file; 0 where there is none."""
        try:
            return self._manifest(digest).stat().st_size
        except OSError:
            return 0

    def _digests(self) -> list[str]:
        found = (digest_in(path.stem) for path in self.directory.glob("*.json"))
        return [digest for digest in found if digest is not None]

    def remove(
        self,
        reference: str,
        check: Callable[[str], None] = lambda _: None,
        before: Before = lambda *_: None,
    ) -> str:
        """Forget a name, or by digest all names, and what nothing names then; return the digest.

        Args:
            check: Called with the digest of data that would go; what it raises keeps them.
            before: Called before anything is removed, with the names that will be left.

        Raises:
            DataNotFound: There is no such data set.
            OSError: A file cannot be removed.
        """
        with self._locked(), locked(self.directory / _STAYING):
            digest = self._names.digest_of(reference)
            names = self.names_of(digest)
            if not names and not self._manifest(digest).exists():
                raise _not_found(reference)
            gone = (reference,) if reference in names else names
            if set(gone) == set(names):
                check(digest)
            before(digest, tuple(name for name in names if name not in gone))
            for name in gone:
                (self._names.directory / name).unlink()
            if set(gone) == set(names):
                self._manifest(digest).unlink(missing_ok=True)
            self._sweep()
        return digest

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Hold that no data set that is here is removed during the block.

        From a directory that cannot be written nobody removes anything.

        Raises:
            TimeoutError: Something is being removed, and that goes on for long.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.directory / _STAYING, shared=True))
            except TimeoutError:
                raise
            except OSError:
                pass
            yield

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
        write_whole(folder / ARRAYS_FILE, files.pieces(packed.arrays))
        write_whole(folder / MANIFEST_FILE, [packed.manifest.to_json().encode()])
        return folder

    def _manifest(self, digest: str) -> Path:
        return self.directory / f"{digest}.json"

    def arrays_of(self, manifest: Manifest) -> Path:
        """The file of a data set's arrays."""
        return self.directory / f"{manifest.arrays}{_ARRAYS}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._names.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory / ".lock"):
            yield

    def _sweep(self) -> None:
        """Remove arrays that no manifest names, and what a killed process left half written."""
        try:
            named = {self.get(digest).arrays for digest in self._digests()}
        except InvalidData:
            return  # who knows which arrays a damaged manifest names
        for path in self.directory.glob(f"*{_ARRAYS}"):
            if path.stem not in named:
                path.unlink()
        for folder in (self.directory, self._names.directory):
            for path in folder.glob(f".*{PART}"):
                path.unlink()


def _named(digest: str) -> str:
    return f"data set sha256:{digest[:12]}…"


def _not_found(reference: str) -> DataNotFound:
    return DataNotFound(f"there is no data set {shown(reference, 80)} here")


def _no_arrays(manifest: Manifest) -> DataIncomplete:
    return DataIncomplete(
        f"the arrays of {_named(manifest.digest)}, {manifest.arrays}, are not here: send them first"
    )
