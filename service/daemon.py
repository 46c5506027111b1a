"""The dispatcher process, `python -m service.daemon`: live, it runs studies; SIGTERM drains it.

standing by ──acquire──▶ live ──SIGTERM──▶ draining ──▶ exit 0
     ▲                    ├── beside it: the mirror's process, schedules, and what is cleaned up
     │                    ├── database, disk or all slots fail ──▶ workers ended, everything
     └────────────────────┘                                        found and loaded again
                              epoch lost ──▶ workers ended, exit 1
                              50 s after SIGTERM ──▶ says where each thread stands, exit 1

Slots are found, and plug-ins described, before the epoch is acquired: that may take longer than a
lease.  A dispatcher that stood by for long starts with what it found then; its workers try
their devices again.

Its arguments are files of Python that workers import (`--import`); no variable can name any.
"""

import _thread
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TextIO

import structlog
from sqlalchemy import URL, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from metaopt.plugins.allowed import parse_allowed
from metaopt.plugins.sources import Sources
from service.blobs.base import BlobsUnusable
from service.blobs.opening import open_blobs
from service.cron.runner import run_schedules
from service.db.connections.deadlines import DISPATCHER
from service.db.connections.failures import in_words, is_away
from service.db.dispatcher import EpochLost
from service.db.engine import open_engine
from service.db.schema import revisions
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.leadership.holder import this_process
from service.dispatcher.leadership.standby import stand_by
from service.dispatcher.loop import Dispatcher
from service.dispatcher.slots import SlotsLost
from service.dispatcher.store.ledger import Ledger
from service.errors import NoDeviceWorks, SchemaOutdated, WebhooksUnreadable
from service.executors.local import LocalExecutor
from service.executors.memory import worker_limit
from service.executors.plugins import Plugins, describe_plugins
from service.executors.slots import Found, described, find_slots
from service.logs import configure_logging
from service.mirror.process import mirroring
from service.notifications.config import load_webhooks
from service.notifications.runner import notifying
from service.retention.files import Directories
from service.retention.rules import Keep
from service.retention.runner import run_retention
from service.settings import Settings

EXIT_DONE = 0
EXIT_EPOCH_LOST = 1
EXIT_UNUSABLE = 2
_RETRY_SECONDS = 1.0
_ENDS_SECONDS = 2.0
STUCK_SECONDS = 50.0
"""After SIGTERM, until it counts as stuck: a drain takes longer only where several slots hang."""

Clock = Callable[[], datetime]

log = structlog.get_logger("dispatcher")


def run(
    settings: Settings,
    *,
    stop: threading.Event | None = None,
    log_to: TextIO | None = None,
    found: Found | None = None,
    files: Sequence[str] = (),
    plugins: Plugins | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; return the exit code.

    The database must be at the head revision (`metaopt db upgrade`).

    Args:
        settings: Where everything is.
        stop: Ends it too; a thread other than the main one gets no signals.
        log_to: Where its log goes, by default stderr.
        found: The slots to begin with, if they are known already.
        files: Python files that workers import (`--import`), beside packages that are allowed.
        plugins: What came of both, if that is known already.
    """
    sources = Sources(parse_allowed(settings.plugins), tuple(files))
    log_to = log_to or sys.stderr
    configure_logging(log_to)
    stop = stop or threading.Event()
    _drain_on_signals(stop)
    engine = open_engine(settings.url(), DISPATCHER)
    try:
        webhooks = load_webhooks(settings.webhooks_file)
        while not stop.is_set():
            try:
                revisions.check(engine)
                found = found or find_slots(os.environ, settings.slots, settings.devices)
                plugins = plugins or describe_plugins(sources, found.slots, os.environ)
                epoch = stand_by(settings.url(), this_process(), stop)
                if epoch is None:
                    break
                revisions.check(engine)  # it may have stood by for long
                with notifying(webhooks, settings.url(), epoch):
                    _run_epoch(settings, engine, epoch, found, plugins, stop, log_to)
            except SlotsLost as error:
                log.error("slots_lost", cause=str(error))
                found = plugins = None
            except EpochLost as error:
                log.error("epoch_lost", cause=str(error))
                return EXIT_EPOCH_LOST
            except SchemaOutdated as error:
                log.error("schema_outdated", cause=str(error))
                return EXIT_UNUSABLE
            except BlobsUnusable as error:
                log.error("blobs_unusable", cause=str(error))
                return EXIT_UNUSABLE
            except NoDeviceWorks as error:
                log.error("no_device_works", cause=str(error))
                return EXIT_UNUSABLE
            except SQLAlchemyError as error:
                if not (is_away(error) or isinstance(error, IntegrityError)):
                    raise
                log.error("database_failed", cause=in_words(error))
                stop.wait(_RETRY_SECONDS)
            except OSError as error:  # as a full disk: it may have room again later
                log.error("machine_failed", cause=str(error))
                stop.wait(_RETRY_SECONDS)
    except WebhooksUnreadable as error:
        log.error("webhooks_unreadable", cause=str(error))
        return EXIT_UNUSABLE
    finally:
        stop.set()
        engine.dispose()
    log.info("dispatcher_stopped")
    return EXIT_DONE


def _run_epoch(
    settings: Settings,
    engine: Engine,
    epoch: int,
    found: Found,
    plugins: Plugins,
    stop: threading.Event,
    log_to: TextIO,
) -> None:
    data = settings.data_directory.resolve()
    on_cores = sum(1 for slot in found.slots if slot.device == "cpu")
    limit = worker_limit(on_cores, settings.worker_bytes)
    found = described(found, settings.labels_by_name(), limit)
    blobs = open_blobs(settings.blobs())
    schedules = partial(run_schedules, most_queued=settings.queued_per_key)
    # around the workers: they must not wait for these
    with (
        mirroring(settings.url(), epoch, log_to),
        _beside("schedules", schedules, settings.url(), epoch),
        _beside("retention", partial(_retain, settings), settings.url(), epoch),
    ):
        executor = LocalExecutor(
            found.slots,
            data / "logs",
            compiling=settings.compile,
            programs=settings.programs(),
            data_sets=settings.data_sets(),
            blobs=blobs,
            plugins=plugins,
            memory_bytes=found.worker_bytes,
        )
        try:
            store = CheckpointStore(blobs)
            ledger = Ledger(engine, epoch, store, _utc_now, stop)
            Dispatcher(
                ledger,
                executor,
                lanes=settings.lanes,
                segment_seconds=settings.segment_seconds,
                hang_seconds=settings.hang_seconds,
                stop=stop,
                found=found,
            ).run()
        finally:
            executor.close()
            blobs.close()


def _retain(
    settings: Settings, database_url: URL, epoch: int, stop: threading.Event, now: Clock
) -> None:
    data = settings.data_directory.resolve()
    directories = Directories(settings.programs(), data / "logs")
    run_retention(database_url, epoch, directories, Keep.of(**settings.kept()), stop, now)


@contextmanager
def _beside(
    name: str,
    work: Callable[[URL, int, threading.Event, Clock], None],
    database_url: URL,
    epoch: int,
) -> Iterator[None]:
    """Have a thread work while the block runs; at its end, it is given two seconds."""
    stop = threading.Event()
    arguments = database_url, epoch, stop, _utc_now
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_ENDS_SECONDS)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _drain_on_signals(stop: threading.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        return

    def drain(signum: int, _frame: object) -> None:
        # By a thread that needs no lock of Python; nothing is lost by the death of a dispatcher.
        faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
        # By another one: what was interrupted may hold the lock of `stop`, and would never let go.
        _thread.start_new_thread(stop.set, ())
        signal.signal(signum, signal.SIG_DFL)  # a second one ends the process at once

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)


if __name__ == "__main__":
    sys.exit(run(Settings(), files=sys.argv[1:]))
