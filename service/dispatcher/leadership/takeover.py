"""Takeover: taking over, loading and starting studies, and what others left behind."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from metaopt.errors import in_words
from metaopt.plugins.described import Described
from service.db import trials
from service.db.dispatcher import EpochLost, release, tell_slots_of
from service.db.events import append_event
from service.db.plugins.rows import tell_present
from service.db.schema import revisions
from service.db.states import TrialStatus
from service.db.study_progress import fail_study, start_study
from service.db.trials import end_trial
from service.dispatcher.leadership.files import look_after_files
from service.dispatcher.state import StudyState
from service.dispatcher.store.ledger import Ledger
from service.dispatcher.store.restore import load_study
from service.plugins.known import learn_present
from service.wire.views.slots import SlotsView
from service.wire.words.slots import broken_in_words, slots_in_words

log = structlog.get_logger("dispatcher")


def take_over(ledger: Ledger) -> None:
    """Requeue what older dispatchers left running."""
    requeued = ledger.fenced(
        lambda session: trials.close_older_attempts(session, ledger.epoch, now=ledger.now())
    )
    log.info("dispatcher_live", epoch=ledger.epoch, requeued_trials=requeued)


def refresh(ledger: Ledger, loaded: Iterable[str]) -> None:
    """Show that this dispatcher lives, and cancel what ended studies have left open.

    Raises:
        SchemaOutdated: The database was upgraded meanwhile.
    """
    loaded = list(loaded)
    ledger.fenced(lambda session: _refresh(session, loaded, ledger.now()))


def _refresh(session: Session, loaded: Sequence[str], now: datetime) -> None:
    revisions.check_within(session)
    for trial in trials.left_over(session, loaded):
        if trial.status == TrialStatus.RUNNING:
            trials.requeue_trial(session, trial.trial_id)
        end_trial(session, trial.trial_id, TrialStatus.CANCELLED, now=now)
        data = {"trial_number": trial.trial_number, "branch": trial.branch}
        data |= {"role": trial.role, "status": "cancelled", "cause": None}
        append_event(session, trial.study_id, "trial_finished", data, now=now)


def tell_slots(ledger: Ledger, view: SlotsView) -> None:
    """Let the API know which slots there are, and what does not work."""
    slots = view.model_dump(mode="json")
    ledger.fenced(lambda session: tell_slots_of(session, slots))
    tell = log.warning if view.broken or view.working() != view.slots else log.info
    tell(
        "slots",
        epoch=ledger.epoch,
        works=slots_in_words(view),
        broken=broken_in_words(view),
        slots=[slot.name for slot in view.working()],
    )


def tell_plugins(ledger: Ledger, described: Iterable[Described]) -> None:
    """Let the API know which plug-ins there are, and offer them here."""
    described = list(described)

    def step(session: Session) -> None:
        tell_present(session, described, now=ledger.now())
        learn_present(session)

    ledger.fenced(step)


def start(ledger: Ledger, study_id: str) -> bool:
    """Set a queued study running; return False if it is no longer queued."""
    now = ledger.now()

    def step(session: Session) -> bool:
        started = start_study(session, study_id, now=now)
        if started:
            append_event(session, study_id, "study_running", {}, now=now)
        return started

    return ledger.fenced(step)


def load(ledger: Ledger, study_id: str) -> StudyState | None:
    """A running study's state, or None if it had to be failed because it is unusable.

    It is read without a lock, so that a long study keeps no writer waiting (docs/adr/0022).  Its
    trials are written by the live dispatcher alone, from this thread; if that is another one by
    now, the fence afterwards says so.  Its row may move meanwhile: the next poll sees its version.

    Files that no row names are deleted under the fence: a takeover waits for it, so they are
    never those of a successor.
    """
    try:
        study = _read(ledger, study_id)
        if look_after_files(ledger, study):
            study = _read(ledger, study_id)
    except (SQLAlchemyError, EpochLost, OSError):
        raise
    except Exception as error:  # of its spec, or of somebody's kind: all others go on
        cause = str(error) if isinstance(error, ValueError) else in_words(error)
        _fail_unloaded(ledger, study_id, f"the study cannot be loaded: {cause}")
        return None
    log.info("study_loaded", study_id=study_id, epoch=ledger.epoch, trials=len(study.trials))
    return study


def _read(ledger: Ledger, study_id: str) -> StudyState:
    def load(session: Session) -> StudyState:
        with uncollected():
            return load_study(session, study_id)

    return ledger.read(load)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: among all that is loaded, and stays, that is long in vain."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def give_up_epoch(ledger: Ledger) -> None:
    """Let a successor take over at once."""
    ledger.fenced(lambda session: release(session, ledger.epoch))


def _fail_unloaded(ledger: Ledger, study_id: str, error: str) -> None:
    now = ledger.now()

    def step(session: Session) -> None:
        if fail_study(session, study_id, error, now=now):
            append_event(session, study_id, "study_failed", {"error": error}, now=now)

    ledger.fenced(step)
    log.error("study_failed", study_id=study_id, epoch=ledger.epoch, error=error)
