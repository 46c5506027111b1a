"""Commands about studies: submit, studies, show, watch, cancel, pause, resume, result."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.connection import FOLLOWING_SECONDS, connect
from service.cli.console import data, say
from service.cli.exits import Exit, Stop
from service.cli.follow import follow
from service.cli.options import (
    BaselineName,
    Events,
    Full,
    GateRules,
    Json,
    Junit,
    PromoteOn,
    Settings,
    SpecFile,
    StudyId,
    Summary,
    Timeout,
    Undecided,
)
from service.cli.outputs.answers import answer
from service.cli.outputs.results import Outputs
from service.cli.overrides import overridden
from service.cli.pages.progress import telling
from service.cli.pages.studies import studies_page, study_page
from service.cli.pages.timeline import timeline_page
from service.client.client import Client
from service.wire.parsing.plain_data import parse_yaml
from service.wire.views.document import StudyDocument
from service.wire.views.studies import StudyView


def submit(
    spec: SpecFile,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the verdict, and for the gates.")
    ] = False,
    timeout: Timeout = None,
    gate: GateRules = None,
    baseline: BaselineName = None,
    promote_on: PromoteOn = None,
    undecided: Undecided = None,
    settings: Settings = None,
    json: Json = None,
    junit: Junit = None,
    summary: Summary = None,
    events: Events = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="K", help="Submit only once under this name, however often called."),
    ] = None,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C and SIGTERM cancel the study.")
    ] = False,
) -> None:
    """Submit a study; print its id, or with --wait its verdict and what its gates say."""
    outputs = Outputs(json, junit, summary, events)
    if not wait:
        refuse_without_wait(
            timeout=timeout,
            junit=junit,
            summary=summary,
            events=events,
            cancel_on_interrupt=cancel_on_interrupt,
        )
    document = changed_spec(read_spec(spec), settings, gate, baseline, promote_on, undecided)
    outputs.check()  # before the study is on its way: nobody should submit twice
    with connect() as client:
        study = client.submit(document, idempotency_key)
    tell_submitted(study, outputs, wait=wait, timeout=timeout, cancel=cancel_on_interrupt)


def changed_spec(
    document: dict[str, Any],
    settings: Sequence[str] | None,
    rules: Sequence[str] | None,
    baseline: str | None,
    promote: str | None,
    undecided: str | None,
) -> dict[str, Any]:
    """A spec with the fields and gates of the command line in it."""
    flags = {
        "rules": list(rules) if rules else None,
        "baseline": baseline,
        "promote": promote,
        "undecided": undecided,
    }
    changed = overridden(document, settings or [])
    chosen = {name: value for name, value in flags.items() if value is not None}
    if chosen:
        of_spec = changed.get("gates", {})
        if not isinstance(of_spec, dict):
            raise Stop(Exit.USAGE, f"gates must be a mapping of fields, got {of_spec!r}")
        changed["gates"] = {**of_spec, **chosen}
    return changed


def refuse_without_wait(**options: object) -> None:
    """Refuse options that need --wait.

    Raises:
        Stop: One was given; names it.
    """
    for name, value in options.items():
        if value is not None and value is not False:
            raise Stop(Exit.USAGE, f"--{name.replace('_', '-')} needs --wait")


def tell_submitted(
    study: StudyView,
    outputs: Outputs,
    *,
    wait: bool,
    timeout: float | None,
    cancel: bool = False,
) -> None:
    """Print the id of a study just submitted, or wait for its verdict and print that."""
    tell_warnings(study)
    if wait:
        say(f"submitted {study.study_id}")
        with connect(FOLLOWING_SECONDS) as client:
            wait_for_verdict(client, study, timeout, outputs, cancel=cancel)
        return
    answer(outputs.json, StudyDocument(study=study), lambda: data(study.study_id))


def tell_warnings(study: StudyView) -> None:
    """Say, on stderr, what about a study may not be meant so."""
    for warning in study.warnings:
        say(f"warning: {warning}")


def studies(
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Only studies in this status.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most this many.")] = 50,
    json: Json = None,
) -> None:
    """List studies, newest first."""
    with connect() as client:
        listed = client.studies(status=status, limit=limit)
    answer(json, listed, lambda: studies_page(listed))


def show(
    study_id: StudyId,
    full: Full = False,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Instead, what each slot did with its time.")
    ] = False,
    json: Json = None,
) -> None:
    """Show a study: how it stands, its verdict, trials, and what its spec says."""
    with connect() as client:
        study = client.study(study_id)
        if timeline:
            found = client.timeline(study.study_id)
            answer(json, found, lambda: timeline_page(found))
            return
        trials = client.trials(study.study_id)
        result = client.result(study.study_id) if study.status == "completed" else None
    document = StudyDocument(study=study, result=result, trials=trials)
    answer(json, document, lambda: study_page(document, now=datetime.now(UTC), full=full))


def watch(
    study_id: StudyId,
    timeout: Timeout = None,
    json: Json = None,
    junit: Junit = None,
    summary: Summary = None,
    events: Events = False,
) -> None:
    """Follow a study until it ends, then print its verdict."""
    outputs = Outputs(json, junit, summary, events)
    outputs.check()
    with connect() as client:
        study = client.study(study_id)
    with connect(FOLLOWING_SECONDS) as client:
        wait_for_verdict(client, study, timeout, outputs)


def cancel(study_id: StudyId, json: Json = None) -> None:
    """End a study; what it has found so far stays."""
    _steer(Client.cancel, study_id, json)


def pause(study_id: StudyId, json: Json = None) -> None:
    """Take a study off the workers; its trials keep their checkpoints."""
    _steer(Client.pause, study_id, json)


def resume(study_id: StudyId, json: Json = None) -> None:
    """Let a paused study go on."""
    _steer(Client.resume, study_id, json)


def result(study_id: StudyId, json: Json = None) -> None:
    """Print the verdict of a completed study; exit code 1 if its gates did not pass."""
    with connect() as client:
        study = client.study(study_id)
        client.result(study.study_id)  # says why there is none
        Outputs(json).finish(client, study)


def read_spec(path: Path) -> dict[str, Any]:
    """A spec file as plain data; what it means is the server's to judge.

    Args:
        path: Of YAML or JSON, whatever its name ends in; `-` is stdin.

    Raises:
        Stop: No such file, or no mapping in it.
        InvalidSpec, BodyTooLarge: Not YAML or JSON as the server reads them.
    """
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Stop(Exit.USAGE, f"{path} cannot be read: {error.strerror}") from None
    document = parse_yaml(body)  # JSON is YAML, too
    if not isinstance(document, dict):
        raise Stop(Exit.USAGE, f"{path} must hold a mapping of fields, as in examples/")
    return document


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


def _steer(action: Callable[[Client, str], StudyView], study_id: str, json: Path | None) -> None:
    with connect() as client:
        study = action(client, study_id)
    line = f"{study.study_id} {study.status}"
    answer(json, StudyDocument(study=study), lambda: data(line))
