"""Is anything running that nobody watches over: trials without a dispatcher, orphaned workers?"""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.dispatcher import sign_of_life
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Attempt, DispatcherRow, Trial
from service.dispatcher.leadership.holder import is_dead
from service.invariants.violation import Violation


def stray(session: Session) -> Iterator[Violation]:
    """Name trials that run, and no live dispatcher has them."""
    row = session.get(DispatcherRow, 1, populate_existing=True)
    live = None
    if row is not None and not is_dead(row.holder) and sign_of_life(session).is_live:
        live = row.epoch
    running = select(Trial.study_id, Trial.trial_number, Attempt.epoch).join(
        Attempt, Attempt.trial_id == Trial.trial_id
    )
    running = running.where(
        Trial.status == TrialStatus.RUNNING, Attempt.outcome == AttemptOutcome.RUNNING
    )
    for study_id, number, epoch in session.execute(running):
        if epoch != live:
            now = "no dispatcher lives" if live is None else f"epoch {live} is live"
            where = f"study {study_id}, trial {number}"
            yield Violation("stray", where, f"runs since epoch {epoch}, and {now}")


def orphans(data_directory: Path, proc: Path = Path("/proc")) -> Iterator[Violation]:
    """Name processes of this data directory whose parent is gone.

    A worker is started as `python -m MODULE FD PARENT_PID …` with paths of the data directory, a
    mirror as `python -m service.mirror` with its parent's variables.
    """
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            of_mirror = arguments[1:3] == ["-m", "service.mirror"]
            said = (process / "environ").read_bytes() if of_mirror else b""
        except (OSError, IndexError, ValueError):
            continue  # it has just ended, or is another user's
        if of_mirror and _names(said, data_directory) and not _is_ours(proc, parent):
            yield Violation("orphans", f"process {process.name}", "is a mirror without dispatcher")
        elif _is_worker(arguments, data_directory) and int(arguments[4]) != parent:
            yield Violation("orphans", f"process {process.name}", "is a worker without dispatcher")


def _is_worker(arguments: list[str], data_directory: Path) -> bool:
    if len(arguments) < 6 or arguments[1] != "-m" or not arguments[4].isdigit():
        return False
    return any(part.startswith(f"{data_directory.resolve()}{os.sep}") for part in arguments[5:])


def _names(environment: bytes, data_directory: Path) -> bool:
    wanted = {os.fsencode(str(path)) for path in (data_directory, data_directory.resolve())}
    said = dict(part.partition(b"=")[::2] for part in environment.split(b"\0"))
    return said.get(b"METAOPT_DATA_DIRECTORY") in wanted


def _is_ours(proc: Path, parent: int) -> bool:
    try:
        return b"-m\0" in (proc / str(parent) / "cmdline").read_bytes()
    except OSError:
        return False
