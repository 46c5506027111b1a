"""Failures: a study that cannot go on fails alone; what breaks the machine is raised."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import MetaoptError
from service.db.dispatcher import EpochLost
from service.dispatcher.lifecycle import phases
from service.dispatcher.state import StudyState
from service.dispatcher.store.ledger import Ledger

log = structlog.get_logger("dispatcher")


@contextmanager
def failing_alone(ledger: Ledger, study: StudyState) -> Iterator[None]:
    """Turn an error of this study into its failure, so that all others go on.

    Raises:
        EpochLost, SQLAlchemyError, OSError: the machine's fault, not the study's.
    """
    # The ledger tells samplers after its commit: whatever they refuse, it has been written.
    try:
        yield
    except MetaoptError as error:
        phases.fail(ledger, study, f"the search cannot go on: {error}")
    except (SQLAlchemyError, EpochLost, OSError):
        raise
    except Exception as error:  # ours: it must not take all other studies with it
        log.exception("study_unsettled", epoch=ledger.epoch, study_id=study.study_id)
        named = f"{type(error).__name__}: {error}"
        phases.fail(ledger, study, f"an error of metaopt, please report it: {named}")
