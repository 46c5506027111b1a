"""The runner: a thread beside the dispatcher's loop that clears what may go, now and then.

It works at most a fifth of the time while there is something to clear, and takes no lock that the
loop needs for longer than a piece.  It ends with the dispatcher's epoch, so that one does it; that
two might for a moment does no harm (`service.retention.clearing`).
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import URL, Engine

from service.db.connections.deadlines import DISPATCHER
from service.db.dispatcher import EpochLost, check_live
from service.db.engine import open_engine, reading
from service.retention.clearing import clear
from service.retention.files import Directories
from service.retention.rules import Keep

FIRST_SECONDS = 60.0
LONGEST_SECONDS = 600.0
LEAST_SECONDS = 1.0
LOOKS = 10
"""How often at least within the shortest span."""

REST = 4.0
"""Times what a piece has taken, until the next."""

log = structlog.get_logger("retention")


def run_retention(
    database_url: str | URL,
    epoch: int,
    directories: Directories,
    keep: Keep,
    stop: threading.Event,
    now: Callable[[], datetime],
) -> None:
    """Clear now and then while `epoch` is live; a pass that fails is tried again at the next time.

    Args:
        database_url: As for `open_engine`.
        epoch: Of the dispatcher that runs this.
        stop: When set, this returns after the piece under way.
        now: The time, UTC-aware.
    """
    engine, pause = open_engine(database_url, DISPATCHER), pause_of(keep)
    seconds = min(pause, FIRST_SECONDS)
    while not stop.wait(seconds):
        seconds = pause
        try:
            clear_once(engine, epoch, directories, keep, stop, now())
        except EpochLost as error:
            log.info("retention_ended", epoch=epoch, cause=str(error))
            break
        except Exception as error:  # whatever it is, it must not end the dispatcher
            log.warning("retention_failed", error=str(error), retry_seconds=pause)
        finally:
            engine.dispose()  # no connection is held meanwhile
    engine.dispose()


def clear_once(
    engine: Engine,
    epoch: int,
    directories: Directories,
    keep: Keep,
    stop: threading.Event,
    now: datetime,
) -> Counter[str]:
    """Clear all that may go, and return how much of what went.

    Raises:
        EpochLost: Another dispatcher is live.
        sqlalchemy.exc.DBAPIError: The database failed.
    """
    cleared: Counter[str] = Counter()
    with reading(engine) as session:
        check_live(session, epoch)
    begun = time.monotonic()
    for piece in clear(engine, directories, keep, now):
        cleared[piece.what] += piece.amount
        if stop.wait(REST * (time.monotonic() - begun)):
            break
        with reading(engine) as session:
            check_live(session, epoch)
        begun = time.monotonic()
    if cleared:
        log.info("cleared", epoch=epoch, **{k.replace(" ", "_"): n for k, n in cleared.items()})
    return cleared


def pause_of(keep: Keep) -> float:
    """Seconds from one pass to the next."""
    shortest = keep.shortest()
    if shortest is None:
        return LONGEST_SECONDS
    return min(LONGEST_SECONDS, max(LEAST_SECONDS, shortest.total_seconds() / LOOKS))
