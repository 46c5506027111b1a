"""What the rows of a database name on the disk, and what it costs if that is not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from metaopt.data.store import DataStore
from metaopt.errors import InvalidData
from service.backup.manifest import CHECKPOINTS, DATA_SETS
from service.db.backup.files import KeptFiles, NamedDataSet, kept_files, named_data_sets
from service.db.roles import ROLES
from service.db.states import TERMINAL_TRIALS


class Named(NamedTuple):
    """A file that rows name.

    Args:
        path: Below the data directory, and below a backup.
        sha256: That it has to have; None where its name says what it has to be.
        costs: What is lost without it; None is nothing.
    """

    path: str
    sha256: str | None
    costs: str | None


def named_files(session: Session, data_directory: Path) -> list[Named]:
    """Every file that rows name."""
    store = DataStore(data_directory / DATA_SETS)
    return [*_checkpoints(session), *_data_sets(session, store)]


def _checkpoints(session: Session) -> Iterator[Named]:
    for kept in kept_files(session):
        if kept.checkpoint is not None:
            name = f"{CHECKPOINTS}/{kept.checkpoint}"
            yield Named(name, kept.checkpoint_sha256, _costs(kept))
        if kept.previous_checkpoint is not None:
            name = f"{CHECKPOINTS}/{kept.previous_checkpoint}"
            yield Named(name, kept.previous_sha256, None)


def _costs(kept: KeptFiles) -> str | None:
    trial = f"trial {kept.trial_number} of study {kept.study_id}"
    if kept.status not in TERMINAL_TRIALS:
        return f"{trial} goes on from the checkpoint before, or begins anew"
    if ROLES[kept.role].leaves == "model":
        return f"the weights of {trial} are lost"
    return None


def _data_sets(session: Session, store: DataStore) -> Iterator[Named]:
    users: dict[str, list[NamedDataSet]] = {}
    for one in named_data_sets(session):
        users.setdefault(one.reference, []).append(one)
    for reference, named in users.items():
        yield from _files(store, reference, _use(named))


def _use(named: list[NamedDataSet]) -> str:
    """What is lost with a data set, in the words of who needs it most."""
    one = next((one for one in named if one.study_id is None or not one.ended), named[0])
    if one.study_id is None:
        return f"studies of schedule {one.schedule_id} cannot begin"
    return f"study {one.study_id} cannot {'be trained again' if one.ended else 'go on'}"


def _files(store: DataStore, reference: str, costs: str) -> Iterator[Named]:
    digest = reference.removeprefix("sha256:")
    yield Named(f"{DATA_SETS}/{digest}.json", None, costs)
    try:
        manifest = store.get(reference)
    except (InvalidData, OSError):
        return  # it is lacking or damaged itself
    arrays = store.arrays_of(manifest).relative_to(store.directory).as_posix()
    yield Named(f"{DATA_SETS}/{arrays}", manifest.arrays, costs)
    for name in store.names_of(manifest.digest):
        yield Named(f"{DATA_SETS}/names/{name}", None, None)
