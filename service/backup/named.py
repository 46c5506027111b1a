"""What the rows of a database name on the disk, and what it costs if that is not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from metaopt.data.store import DataStore
from metaopt.errors import InvalidData
from service.backup.manifest import CHECKPOINTS, DATA_SETS
from service.db.roles import ROLES
from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS
from service.db.tables import Schedule, Study, Trial


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


def checkpoints(session: Session) -> Iterator[Named]:
    """What trials of studies that have not ended resume from, or left for their study's end."""
    columns = (
        Trial.study_id, Trial.trial_number, Trial.role, Trial.status, Trial.meta_iteration,
        Trial.checkpoint, Trial.checkpoint_sha256, Trial.previous_checkpoint,
        Trial.previous_sha256, Trial.previous_meta_iteration,
    )  # fmt: skip
    query = (
        select(*columns)
        .join(Study, Study.study_id == Trial.study_id)
        .where(Study.status.not_in(TERMINAL_STUDIES))
        .where(or_(Trial.checkpoint.is_not(None), Trial.previous_checkpoint.is_not(None)))
    )
    for row in session.execute(query.order_by(Trial.study_id, Trial.trial_number)):
        if row.checkpoint is not None:
            name = f"{CHECKPOINTS}/{row.checkpoint}"
            yield Named(name, row.checkpoint_sha256, _costs(row))
        if row.previous_checkpoint is not None:
            yield Named(f"{CHECKPOINTS}/{row.previous_checkpoint}", row.previous_sha256, None)


def _costs(row: Any) -> str | None:
    trial = f"trial {row.trial_number} of study {row.study_id}"
    if row.status not in TERMINAL_TRIALS:
        return f"{trial} goes on from the checkpoint before, or begins anew"
    if ROLES[row.role].leaves == "model":
        return f"the weights of {trial} are lost"
    return None


def data_sets(session: Session, store: DataStore) -> Iterator[Named]:
    """The files of the data sets that studies and schedules name."""
    named: dict[str, str] = {}
    for study_id, status, spec in session.execute(
        select(Study.study_id, Study.status, Study.spec).order_by(Study.created_at)
    ):
        if (reference := _data_set(spec)) is not None:
            goes_on = status not in TERMINAL_STUDIES
            if goes_on or reference not in named:
                use = "cannot go on" if goes_on else "cannot be trained again"
                named[reference] = f"study {study_id} {use}"
    for schedule_id, spec in session.execute(select(Schedule.schedule_id, Schedule.spec)):
        if (reference := _data_set(spec)) is not None:
            named[reference] = f"studies of schedule {schedule_id} cannot begin"
    for reference, costs in named.items():
        yield from _files(store, reference, costs)


def _data_set(spec: object) -> str | None:
    tasks = spec.get("tasks") if isinstance(spec, dict) else None
    found = tasks.get("dataset") if isinstance(tasks, dict) else None
    return found if isinstance(found, str) else None


def _files(store: DataStore, reference: str, costs: str) -> Iterator[Named]:
    def below(path: Path) -> str:
        return f"{DATA_SETS}/{path.relative_to(store.directory).as_posix()}"

    digest = reference.removeprefix("sha256:")
    yield Named(f"{DATA_SETS}/{digest}.json", None, costs)
    try:
        manifest = store.get(reference)
    except (InvalidData, OSError):
        return  # its manifest will be found lacking or damaged
    yield Named(below(store.arrays_of(manifest)), manifest.arrays, costs)
    for name in store.names_of(manifest.digest):
        yield Named(f"{DATA_SETS}/names/{name}", None, None)
