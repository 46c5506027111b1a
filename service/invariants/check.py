"""One check: everything that is asked of a database and a data directory, in one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.blobs.base import BlobStore
from service.blobs.directory import DirectoryStore
from service.db.engine import reading
from service.invariants import acknowledged as clients
from service.invariants import files, finite, logs, mirrored, processes, snapshots, studies
from service.invariants.mirrored import Copies
from service.invariants.rows import StudyRows, read_study, study_ids
from service.invariants.violation import Violation


@dataclass(frozen=True)
class Seen:
    """What a check has to look at beside the database.

    Args:
        data_directory: Whose checkpoints and processes; None is not to look.
        blobs: Where its checkpoints are, if not in it.
        acknowledged: Studies that clients were told of.
        snapshots: File of what had ended earlier (`service.invariants.snapshots`).
        at_rest: Nothing goes on any more: every acknowledged study must have ended, ended studies
            have left nothing, and the mirror has caught up.
    """

    data_directory: Path | None = None
    acknowledged: Sequence[clients.Acknowledged] = ()
    snapshots: Path | None = None
    at_rest: bool = False
    blobs: BlobStore | None = None


@dataclass
class Verdict:
    """What a check found.

    Args:
        studies, trials, reports: How many were looked at.
        violations: All of them.
    """

    studies: int = 0
    trials: int = 0
    reports: int = 0
    violations: list[Violation] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        found = [one._asdict() for one in self.violations]
        return {**asdict(self), "violations": found, "passed": self.passed}


def check(engine: Engine, seen: Seen = Seen()) -> Verdict:  # noqa: B008  # it is frozen
    """Look at everything; nothing is changed.

    Args:
        engine: The database, at the head revision.
        seen: What there is beside it.
    """
    copies = mirrored.copies_of(engine.url) if seen.at_rest else None
    with reading(engine) as session:
        return look(session, seen, copies)


def look(session: Session, seen: Seen, copies: Copies | None = None) -> Verdict:
    """Look at everything as a session sees it.

    Args:
        copies: Of the mirror, once that must have caught up.
    """
    # First: what this session reads stays as it was when it began, and the clock goes on.
    verdict = Verdict(violations=list(processes.stray(session)))
    for study_id in study_ids(session):
        rows = read_study(session, study_id)
        assert rows is not None
        verdict.studies += 1
        verdict.trials += len(rows.trials)
        verdict.reports += sum(map(len, rows.reports.values()))
        verdict.violations += of_study(session, rows, copies)
        session.expunge_all()
    verdict.violations += _of_all(session, seen)
    return verdict


def of_study(session: Session, rows: StudyRows, copies: Copies | None) -> Iterator[Violation]:
    """What is wrong with one study.

    Args:
        copies: Of the mirror, once that must have caught up.
    """
    rebuilt, broken = logs.rebuild(session, rows)
    yield from broken
    yield from studies.incomplete(rows, rebuilt)
    yield from studies.doubled(rows)
    yield from studies.unbounded(rows)
    yield from studies.underived(rows)
    if rebuilt is not None:
        yield from logs.unrepeated(rows, rebuilt)
        if copies is not None and rows.ended:
            yield from mirrored.unmirrored(rows, rebuilt.spec, copies)


def _of_all(session: Session, seen: Seen) -> Iterator[Violation]:
    yield from clients.forgotten(session, list(seen.acknowledged), at_rest=seen.at_rest)
    yield from finite.infinite(session)
    yield from files.strayed_weights(session)
    if seen.snapshots is not None:
        yield from snapshots.changed(session, seen.snapshots)
    if seen.data_directory is not None:
        blobs = seen.blobs or DirectoryStore(seen.data_directory / "checkpoints")
        yield from files.misplaced(session, blobs, at_rest=seen.at_rest)
        yield from processes.orphans(seen.data_directory)
