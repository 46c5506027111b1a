"""Data sets of a server: added once their arrays are here, listed, shown, removed if unused.

What the store of data sets says in its own words comes out of here as the service's errors.
"""

import errno
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy.orm import Session

from metaopt.data.incoming.plain_manifest import read_manifest
from metaopt.data.incoming.rules import least_bytes
from metaopt.data.limits import in_units
from metaopt.data.manifest import Manifest
from metaopt.data.names import checked_name
from metaopt.data.store import Before, Damaged, DataStore, Entry, place_of
from metaopt.errors import (
    DamagedData,
    DataIncomplete,
    DataNameTaken,
    DataNotFound,
    InvalidData,
    InvalidManifest,
    NoRoom,
)
from metaopt.messages import shown
from service.db import schedules, studies
from service.errors import (
    BodyTooLarge,
    DatasetDamaged,
    DatasetExists,
    DatasetIncomplete,
    DatasetInUse,
    DatasetNotFound,
    FieldError,
    InvalidDataset,
    ServiceError,
    StorageFull,
    StorageUnavailable,
)
from service.operations import pages
from service.operations.room import Room
from service.wire.views.datasets import (
    PAGE_LIMIT,
    DamagedDataset,
    DatasetList,
    DatasetRow,
    DatasetView,
    RemovedDataset,
    all_pages,
)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MOST_NAMED = 5
MOST_READ_BYTES = 2**25
"""Of manifests for one page; the one that goes beyond it is the last."""


def list_datasets(store: DataStore, *, cursor: str | None = None, limit: int) -> DatasetList:
    """A page of data sets: each manifest is reduced to its row before the next one is read.

    It ends early behind large manifests, so that no request reads gigabytes.

    Args:
        limit: Most data sets of the page, damaged ones included.

    Raises:
        InvalidCursor: The cursor is not one of ours.
    """
    place = pages.decode_place(cursor) if cursor else None
    items: list[DatasetRow] = []
    damaged: list[DamagedDataset] = []
    size, last = 0, None
    for one in store.each(place):
        if last and (len(items) + len(damaged) == limit or size > MOST_READ_BYTES):
            return DatasetList(items=items, damaged=damaged, next_cursor=pages.encode_place(last))
        if isinstance(one, Entry):
            items.append(_row(store, one))
        else:
            damaged.append(_damaged(one))
        digest = one.manifest.digest if isinstance(one, Entry) else one.digest
        last = place_of(digest, one.names)
        size += store.manifest_bytes(digest)
    return DatasetList(items=items, damaged=damaged)


def all_datasets(store: DataStore) -> DatasetList:
    """All data sets, page by page."""
    return all_pages(lambda cursor: list_datasets(store, cursor=cursor, limit=PAGE_LIMIT))


def show_dataset(store: DataStore, reference: str) -> DatasetView:
    """The data set of that name or digest.

    Raises:
        DatasetNotFound, DatasetDamaged: There is none that could be shown.
    """
    with in_our_words():
        manifest = store.get(reference)
        return view_of(store, manifest)


def add_dataset(
    store: DataStore, data: Any, room: Room, record: Callable[..., None]
) -> DatasetView:
    """Add a data set whose arrays are here; adding it again changes nothing but adds the name.

    Args:
        data: Plain data: the manifest, and the name if it is to have one.
        room: What there is for the manifest, and for arrays that are not here yet.
        record: Called with digest and names before anything is written.

    Raises:
        InvalidDataset: Name, manifest or arrays break rules.
        BodyTooLarge: The arrays are not here, and are too large to be sent.
        DatasetIncomplete: They are not here: to be sent first.
        DatasetExists: The name means another data set.
        StorageFull, StorageUnavailable: Nothing can be written; nothing was stored.
    """
    with in_our_words():
        name, given = _asked(data)
        manifest = read_manifest(given)
        size = least_bytes(manifest)
        if size > room.most_bytes and not store.has_arrays(manifest.arrays):
            raise _too_large(size, room.most_bytes)

        def before(digest: str, names: tuple[str, ...]) -> None:
            room.check(store.directory, len(manifest.to_json().encode()))
            _noting(record)(digest, names)

        store.add_sent(manifest, name, before)
        return view_of(store, manifest)


def remove_dataset(
    store: DataStore,
    sessions: Callable[[], AbstractContextManager[Session]],
    reference: str,
    record: Callable[..., None],
) -> RemovedDataset:
    """Forget a name, or by digest all names, and the data that have none then.

    Args:
        sessions: Yields a session that sees whose store it is.
        record: Called with digest and names before anything is removed.

    Raises:
        DatasetNotFound: There is none.
        DatasetInUse: Data would go that a study which has not ended, or a schedule, names.
    """

    def check(digest: str) -> None:
        with sessions() as session:
            check_unused(session, digest)

    with in_our_words():
        return removed(store, store.remove(reference, check, _noting(record)))


def _noting(record: Callable[..., None]) -> Before:
    return lambda digest, names: record(digest=f"sha256:{digest}", names=list(names))


def removed(store: DataStore, digest: str) -> RemovedDataset:
    """What is said of a data set that was just removed."""
    return RemovedDataset(digest=f"sha256:{digest}", names=list(store.names_of(digest)))


def check_unused(session: Session, digest: str) -> None:
    """Refuse to remove data that somebody needs.

    Raises:
        DatasetInUse: A study that has not ended, or a schedule, names them.
    """
    reference = f"sha256:{digest}"
    users = [
        f"study {one.study_id} ({one.name}, {one.status})"
        for one in studies.studies_on(session, reference)
    ]
    users += [f"schedule {name}" for name in schedules.schedules_on(session, reference)]
    if users:
        more = f" and {len(users) - MOST_NAMED} more" if len(users) > MOST_NAMED else ""
        raise DatasetInUse(
            f"data set {reference[:19]}… is needed by {', '.join(users[:MOST_NAMED])}{more}: wait "
            "until studies have ended or cancel them, and remove schedules"
        )


@contextmanager
def in_our_words() -> Iterator[None]:
    """Have what the store refuses, or what the machine refuses it, be an error of the service."""
    try:
        yield
    except InvalidManifest as error:
        broken = [FieldError(_below(field), rule) for field, rule in error.broken]
        raise InvalidDataset(f"{broken[0].field}: {broken[0].message}", broken) from None
    except NoRoom as error:
        raise StorageFull(
            f"{error} (METAOPT_UPLOAD_WAITING_BYTES): add the data sets that they are for, or wait "
            "until those that nobody takes go, a day after they came"
        ) from None
    except InvalidData as error:
        kind = next((ours for theirs, ours in _OURS if isinstance(error, theirs)), None)
        if kind is not None:
            raise kind(str(error)) from None
        raise InvalidDataset(str(error), [FieldError("arrays", str(error))]) from None
    except OSError as error:
        raise _of_machine(error) from None


_OURS: tuple[tuple[type[InvalidData], type[ServiceError]], ...] = (
    (DataNotFound, DatasetNotFound),
    (DataNameTaken, DatasetExists),
    (DataIncomplete, DatasetIncomplete),
    (DamagedData, DatasetDamaged),
)


def _of_machine(error: OSError) -> ServiceError:
    if error.errno in FULL:
        return StorageFull("the server's disk is full: nothing was stored; make room, then again")
    cause = error.strerror or str(error)
    return StorageUnavailable(f"the server cannot use the directory of its data sets: {cause}")


def _asked(data: Any) -> tuple[str | None, Any]:
    """The name and the manifest of what is to be added."""
    if not isinstance(data, Mapping) or "manifest" not in data:
        raise _refused("dataset", f"must be an object with manifest and name, got {shown(data)}")
    unknown = [name for name in data if name not in ("manifest", "name")]
    if unknown:
        raise _refused("dataset", f"has name and manifest, not {shown(unknown[0])}")
    name = data.get("name")
    if name is not None and not isinstance(name, str):
        raise _refused("name", f"must be text or null, got {shown(name)}")
    try:
        return None if name is None else checked_name(name), data["manifest"]
    except InvalidData as error:
        raise _refused("name", str(error)) from None


def _refused(field: str, rule: str) -> InvalidDataset:
    return InvalidDataset(f"{field}: {rule}", [FieldError(field, rule)])


def _too_large(size: int, most_bytes: int) -> BodyTooLarge:
    takes = f"at most {in_units(most_bytes)} of arrays" if most_bytes else "no data sets"
    return BodyTooLarge(
        f"this server takes {takes} (METAOPT_UPLOAD_BYTES), these have {in_units(size)}: add the "
        "data on its machine (`metaopt data add`), or make them smaller"
    )


def _below(field: str) -> str:
    return field if field == "manifest" else f"manifest.{field}"


def _damaged(one: Damaged) -> DamagedDataset:
    return DamagedDataset(digest=f"sha256:{one.digest}", names=list(one.names), detail=one.cause)


def _row(store: DataStore, entry: Entry) -> DatasetRow:
    manifest = entry.manifest
    splits = Counter(group.split for group in manifest.groups if group.split is not None)
    return DatasetRow(
        digest=f"sha256:{manifest.digest}",
        names=list(entry.names),
        kind=manifest.kind,
        target=manifest.target,
        input_shape=list(manifest.input_shape),
        outputs=manifest.outputs,
        groups=len(manifest.groups),
        examples=manifest.examples,
        splits=dict(splits),
        size_bytes=_size(store, manifest),
        licence=manifest.licence,
    )


def view_of(store: DataStore, manifest: Manifest) -> DatasetView:
    """What is said of a data set of a store."""
    return dataset_view(manifest, store.names_of(manifest.digest), _size(store, manifest))


def dataset_view(manifest: Manifest, names: Sequence[str], size: int) -> DatasetView:
    """What is said of a data set.

    Args:
        size: Bytes of the file of its arrays.
    """
    own = {"digest": f"sha256:{manifest.digest}", "names": list(names), "size_bytes": size}
    return DatasetView.model_validate({**manifest.to_data(), **own})


def _size(store: DataStore, manifest: Manifest) -> int:
    """Bytes of the file of arrays; as many as there should be at least, where it is not there."""
    try:
        return store.arrays_of(manifest).stat().st_size
    except OSError:
        return least_bytes(manifest)
