"""Commands that end as a study did: watch, result."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.cli.connection import FOLLOWING_SECONDS, connect
from service.cli.exits import Exit, Stop
from service.cli.follow import follow
from service.cli.options import Events, Json, Junit, Report, StudyId, Summary, Timeout
from service.cli.outputs.results import Outputs
from service.cli.pages.progress import telling
from service.client.client import Client
from service.wire.views.studies import StudyView


def watch(
    study_id: StudyId,
    timeout: Timeout = None,
    json: Json = None,
    junit: Junit = None,
    summary: Summary = None,
    report: Report = None,
    events: Events = False,
) -> None:
    """Follow a study until it ends, then print its verdict."""
    outputs = Outputs(json, junit, summary, report, events)
    outputs.check()
    with connect() as client:
        study = client.study(study_id)
    with connect(FOLLOWING_SECONDS) as client:
        wait_for_verdict(client, study, timeout, outputs)


def result(study_id: StudyId, json: Json = None) -> None:
    """Print the verdict of a completed study; exit code 1 if its gates did not pass."""
    with connect() as client:
        study = client.study(study_id)
        client.result(study.study_id)  # says why there is none
        Outputs(json).finish(client, study)


def wait_for_verdict(
    client: Client,
    study: StudyView,
    timeout_seconds: float | None,
    outputs: Outputs,
    *,
    cancel: bool = False,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Show the study's way until its end, then print the verdict.

    Args:
        client: Of the server that has the study.
        study: Which.
        timeout_seconds: How long to wait at most.
        outputs: What to write.
        cancel: Whether an interrupt ends the study.
        check: Called at every look; what it raises ends the wait.

    Raises:
        Stop: It failed or was cancelled, its gates did not pass, the time is up, or somebody
            interrupted.
    """
    study_id = study.study_id
    try:
        with terminating_interrupts(), telling(study.metric, study.created_at) as teller:
            study = follow(client, study_id, teller, timeout_seconds=timeout_seconds, check=check)
    except KeyboardInterrupt:
        if cancel:
            client.cancel(study_id)
            raise Stop(Exit.INTERRUPTED, f"interrupted: {study_id} is cancelled") from None
        detached = f"detached from {study_id}, {outputs.goes_on(study_id)}"
        raise Stop(Exit.INTERRUPTED, detached) from None
    outputs.finish(client, study)


@contextmanager
def terminating_interrupts() -> Iterator[None]:
    """Let SIGTERM, by which CI systems stop a step, interrupt as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
