"""Files: whether the disk of checkpoints is there, and what lies on it that rows name or do not.

    away      no study is looked at, and no order is given, until it is there again: it is the
              machine's fault, and says nothing of any trial

Of a study that is being loaded:

    rows name it, it is not there     the trial goes on from the one before, or from nothing
    it is there, no row names it      a killed dispatcher left it, and it is deleted,
                                      or the database is older than the files: then it is kept

A database is older than the files if it was restored from a copy.  Nobody is charged for what is
lacking then, and nothing that the newer one names is lost, should it come back.
"""

import re
from collections.abc import Collection

import structlog

from service.db.backup.files import kept_files
from service.db.study_progress import ended_among
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store import entries, generations
from service.dispatcher.store.entries import Entry
from service.dispatcher.store.ledger import Ledger

MOST_NAMED = 20
_OF_TRIAL = re.compile(r"[^/]+/([0-9a-f]{32})-[^/]+\.safetensors")

log = structlog.get_logger("dispatcher")


class Disk:
    """The disk of checkpoints, as a dispatcher sees it.

    Args:
        ledger: Whose checkpoints.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is known of it yet."""
        self._ledger = ledger
        self._is_adopted = False
        self.fault: str | None = None

    def is_there(self) -> bool:
        """Whether checkpoints can be read and written; why not is in `fault`."""
        fault = self._look()
        if fault != self.fault:
            self.fault = fault
            event = "checkpoints_back" if fault is None else "checkpoints_away"
            log.warning(event, epoch=self._ledger.epoch, cause=fault)
        return fault is None

    def failed(self, study: StudyState, error: OSError) -> None:
        """Take note of a file that could not be had for a study; it is asked for again."""
        log.warning("file_failed", study_id=study.study_id, cause=str(error))

    def tidy(self, loaded: Collection[str]) -> None:
        """Delete what ended studies have left, but those that are loaded: they may be under way.

        Whoever ends a study that is not loaded (one that was paused is cancelled, one cannot be
        loaded and fails) knows nothing of files, nor does a file go that is written too late.
        """
        if not self.is_there():
            return
        store = self._ledger.store
        try:
            found = [study_id for study_id in store.studies() if study_id not in loaded]
        except OSError as error:
            log.warning("checkpoints_untidied", epoch=self._ledger.epoch, cause=str(error))
            return
        if not found:
            return
        # A study never leaves a terminal status, so no fence is needed.
        for study_id in self._ledger.read(lambda session: ended_among(session, found)):
            store.delete_study(study_id)

    def _look(self) -> str | None:
        try:
            if not self._is_adopted:
                self._adopt()
            return self._ledger.store.fault()
        except OSError as error:
            return f"the checkpoint directory cannot be used: {error}"

    def _adopt(self) -> None:
        """Know the directory again, or make it."""
        store = self._ledger.store
        if store.fault() is not None:
            kept = self._ledger.read(kept_files)
            store.adopt({n for k in kept for n in (k.checkpoint, k.previous_checkpoint) if n})
        self._is_adopted = store.fault() is None


def look_after_files(ledger: Ledger, study: StudyState) -> bool:
    """Delete what no row needs, and let go of what is not there; whether rows have changed.

    Raises:
        EpochLost: Another dispatcher is live.
    """
    there = ledger.store.files(study.study_id)
    lacking = [t for t in study.open_trials() if t.checkpoint and t.checkpoint not in there]
    used = {
        name
        for trial in study.trials.values()
        for name in (trial.checkpoint, trial.previous_checkpoint)
        if name
    }
    left = ledger.store.unnamed(study.study_id, used)
    newer = lacking or _any_of_unknown_trial(study, left)

    def body(entry: Entry) -> None:
        if newer:  # those of an unknown trial say as much of all the others
            ledger.store.keep(study.study_id, left)
            log.warning("newer_files_kept", study_id=study.study_id, files=len(left))
        else:
            for name in left:
                ledger.store.delete(name)
        if lacking:
            entries.warn(entry, _warning(lacking, there))
            log.warning("checkpoints_lacking", study_id=study.study_id, trials=len(lacking))
        for trial in lacking:
            entry.writes.change(trial.trial_id, **_set_back(trial, there))

    ledger.write(study, body)
    return bool(lacking)


def _any_of_unknown_trial(study: StudyState, names: list[str]) -> bool:
    """Whether a file is of a trial without a row, which is written before its first order."""
    known = {trial.trial_id for trial in study.trials.values()}
    found = map(_OF_TRIAL.fullmatch, names)
    return any(one is not None and one[1] not in known for one in found)


def _set_back(trial: TrialState, there: set[str]) -> dict[str, object]:
    changed = generations.given_up(trial)
    if changed["checkpoint"] in there:
        return changed
    nothing = {"checkpoint": None, "checkpoint_sha256": None, "meta_iteration": 0}
    return {**changed, **nothing}


def _warning(lacking: list[TrialState], there: set[str]) -> str:
    anew = [t.trial_number for t in lacking if t.previous_checkpoint not in there]
    back = [t.trial_number for t in lacking if t.previous_checkpoint in there]
    parts = [
        *([f"trials {_listed(back)} go on from the one before"] if back else []),
        *([f"trials {_listed(anew)} begin anew"] if anew else []),
    ]
    return f"checkpoints are not there: {', '.join(parts)}; no attempt is counted"


def _listed(numbers: list[int]) -> str:
    more = len(numbers) - MOST_NAMED
    named = ", ".join(map(str, numbers[:MOST_NAMED]))
    return f"{named} and {more} more" if more > 0 else named
