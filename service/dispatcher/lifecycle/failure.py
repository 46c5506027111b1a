"""Failures: a study that cannot go on harms no other; what breaks the machine is raised.

while it searches   the search ends, and what has completed is judged
later, or nothing   the study fails
has completed
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import MetaoptError, in_words
from service.db.dispatcher import EpochLost
from service.db.states import TrialStatus
from service.dispatcher.lifecycle import phases, spending
from service.dispatcher.scheduler.budget import ERROR
from service.dispatcher.state import StudyState
from service.dispatcher.store.ledger import Ledger

log = structlog.get_logger("dispatcher")


@contextmanager
def failing_alone(ledger: Ledger, study: StudyState) -> Iterator[None]:
    """Turn an error of this study into the end of its search or its failure; all others go on.

    Raises:
        EpochLost, SQLAlchemyError, OSError: the machine's fault, not the study's.
    """
    # The ledger tells samplers after its commit: whatever they refuse, it has been written.
    try:
        yield
    except (SQLAlchemyError, EpochLost, OSError):
        raise
    except MetaoptError as error:
        _end_or_fail(ledger, study, str(error))
    except Exception as error:  # ours: it must not take all other studies with it
        log.exception("study_unsettled", epoch=ledger.epoch, study_id=study.study_id)
        _end_or_fail(ledger, study, f"an error of metaopt, please report it: {in_words(error)}")


def _end_or_fail(ledger: Ledger, study: StudyState, cause: str) -> None:
    completed = any(trial.status == TrialStatus.COMPLETED for trial in study.points())
    if completed and study.search_ended_by is None:
        warning = f"the search could not go on: {cause}; what had completed is judged"
        if spending.end_search(ledger, study, ERROR, warning=warning):
            return
    phases.fail(ledger, study, f"the study cannot go on: {cause}")
