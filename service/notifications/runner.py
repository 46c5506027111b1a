"""The threads of the webhooks: one for each, beside the dispatcher's loop.

A webhook that hangs keeps neither the dispatcher nor another webhook waiting.  All of them end with
the dispatcher's epoch; what they have not delivered by then is in the database, and the next
epoch's deliver it.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from service.db import deliveries
from service.db.connections.deadlines import DISPATCHER
from service.db.connections.pauses import pause_after
from service.db.dispatcher import EpochLost, hold_off
from service.db.engine import open_engine, transaction
from service.notifications.config import Webhook
from service.notifications.notifier import Notifier
from service.notifications.sender import Sender

INTERVAL_SECONDS = 1.0
ENDS_SECONDS = 2.0
RETIRED = "no webhook of this name is configured any more"

log = structlog.get_logger("webhooks")


@contextmanager
def notifying(webhooks: Sequence[Webhook], database_url: str | URL, epoch: int) -> Iterator[None]:
    """Notify while the block runs; at its end, what is under way is given two seconds.

    Raises:
        EpochLost: Another dispatcher is live already.
    """
    if not webhooks:
        yield
        return
    engine = open_engine(database_url, DISPATCHER)
    try:
        with transaction(engine) as session:
            hold_off(session, epoch)
            deliveries.retire(session, [webhook.name for webhook in webhooks], error=RETIRED)
        with _running(engine, webhooks, epoch):
            yield
    finally:
        engine.dispose()


@contextmanager
def _running(engine: Engine, webhooks: Sequence[Webhook], epoch: int) -> Iterator[None]:
    stop, sender = threading.Event(), Sender()
    threads = [
        _start(Notifier(engine, webhook, epoch, sender.send, stop=stop)) for webhook in webhooks
    ]
    try:
        yield
    finally:
        stop.set()
        _join(threads)


def run_notifier(notifier: Notifier) -> None:
    """Let it work until it is stopped or its epoch is over; wait longer after each failure."""
    pause = INTERVAL_SECONDS
    while not notifier.stop.wait(pause):
        try:
            notifier.step()
            pause = INTERVAL_SECONDS
        except EpochLost as error:
            log.info("webhook_ended", webhook=notifier.name, cause=str(error))
            return
        except Exception as error:  # whatever it is, it must not end the dispatcher
            pause = pause_after(error, pause)
            cause = str(error.orig if isinstance(error, DBAPIError) else type(error).__name__)
            log.warning("webhook_stuck", webhook=notifier.name, cause=cause, retry_seconds=pause)


def _start(notifier: Notifier) -> threading.Thread:
    name = f"webhook-{notifier.name}"
    thread = threading.Thread(target=run_notifier, args=(notifier,), name=name, daemon=True)
    thread.start()
    return thread


def _join(threads: Sequence[threading.Thread]) -> None:
    deadline = time.monotonic() + ENDS_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
