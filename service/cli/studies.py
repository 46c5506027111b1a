"""Commands about studies: submit, studies, show, watch, cancel, pause, resume, result."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import pages
from service.cli.connection import FOLLOWING_SECONDS, connect
from service.cli.console import check_writable, data, say, write_json
from service.cli.exits import Exit, Stop
from service.cli.follow import follow
from service.cli.progress import telling
from service.cli.verdict import verdict_page
from service.client.client import Client
from service.errors import ResultImpossible
from service.wire.parsing import parse_json, parse_yaml
from service.wire.result import StudyResult
from service.wire.studies import StudyView

DOCUMENT_VERSION = 1

StudyId = Annotated[str, typer.Argument(metavar="STUDY_ID", help="Id of the study.")]
Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="F", help="Also write JSON to this file; - is stdout."),
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="S", min=0, help="Stop waiting after this many seconds; exit code 4."),
]


def submit(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The spec, YAML or JSON.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the verdict.")] = False,
    timeout: Timeout = None,
    json: Json = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="K", help="Submit only once under this name, however often called."),
    ] = None,
) -> None:
    """Submit a study; print its id, or with --wait its verdict."""
    if timeout is not None and not wait:
        raise Stop(Exit.USAGE, "--timeout needs --wait")
    document = read_spec(spec)
    check_writable(json)  # before the study is on its way: nobody should submit twice
    with connect() as client:
        study = client.submit(document, idempotency_key)
    tell_submitted(study, json, wait=wait, timeout=timeout)


def tell_submitted(
    study: StudyView, json: Path | None, *, wait: bool, timeout: float | None
) -> None:
    """Print the id of a study just submitted, or wait for its verdict and print that."""
    if wait:
        say(f"submitted {study.study_id}")
        with connect(FOLLOWING_SECONDS) as client:
            wait_for_verdict(client, study, timeout, json)
        return
    write_json(json, study_document(study, None))
    if str(json) != "-":
        data(study.study_id)


def studies(
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Only studies in this status.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most this many.")] = 50,
    json: Json = None,
) -> None:
    """List studies, newest first."""
    with connect() as client:
        found = client.studies(status=status, limit=limit)
    write_json(json, [study.model_dump(mode="json") for study in found])
    if str(json) != "-":
        pages.studies_page(found)


def show(study_id: StudyId, json: Json = None) -> None:
    """Show a study: spec with every default, trials, verdict."""
    with connect() as client:
        study = client.study(study_id)
        trials = client.trials(study_id)
        result = client.result(study_id) if study.status == "completed" else None
    document = study_document(study, result)
    document["trials"] = [trial.model_dump(mode="json") for trial in trials]
    write_json(json, document)
    if str(json) == "-":
        return
    pages.study_page(study, trials)
    if result is not None:
        verdict_page(study, result)


def watch(study_id: StudyId, timeout: Timeout = None, json: Json = None) -> None:
    """Follow a study until it ends, then print its verdict."""
    with connect() as client:
        study = client.study(study_id)
    with connect(FOLLOWING_SECONDS) as client:
        wait_for_verdict(client, study, timeout, json)


def cancel(study_id: StudyId) -> None:
    """End a study; what it has found so far stays."""
    _steer(Client.cancel, study_id)


def pause(study_id: StudyId) -> None:
    """Take a study off the workers; its trials keep their checkpoints."""
    _steer(Client.pause, study_id)


def resume(study_id: StudyId) -> None:
    """Let a paused study go on."""
    _steer(Client.resume, study_id)


def result(study_id: StudyId, json: Json = None) -> None:
    """Print the verdict of a completed study."""
    with connect() as client:
        found = client.result(study_id)
        study = client.study(study_id)
    _print_verdict(study, found, json)


def read_spec(path: Path) -> dict[str, Any]:
    """Return a spec file as plain data; what it means is the server's to judge.

    Raises:
        Stop: No such file, or no mapping in it.
        InvalidSpec, BodyTooLarge: Not YAML or JSON as the server reads them.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise Stop(Exit.USAGE, f"{path} cannot be read: {error.strerror}") from None
    document = parse_json(body) if path.suffix == ".json" else parse_yaml(body)
    if not isinstance(document, dict):
        raise Stop(Exit.USAGE, f"{path} must hold a mapping of fields, as in examples/")
    return document


def wait_for_verdict(
    client: Client, study: StudyView, timeout_seconds: float | None, json: Path | None
) -> None:
    """Show the study's way until its end, then print the verdict.

    Raises:
        Stop: It failed or was cancelled, the time is up, or Ctrl-C was pressed.
    """
    study_id = study.study_id
    try:
        with telling(study.metric, study.created_at) as teller:
            study = follow(client, study_id, teller, timeout_seconds=timeout_seconds)
    except KeyboardInterrupt:
        raise Stop(Exit.INTERRUPTED, f"detached from {study_id}, {_goes_on(study_id)}") from None
    if study.status == "completed":
        _print_verdict(study, client.result(study_id), json)
        return
    write_json(json, study_document(study, None))
    if study.status in ("failed", "cancelled"):
        raise Stop(
            Exit.STUDY_FAILED, f"study {study_id} {study.status}: {study.error or 'by request'}"
        )
    say(f"waited {timeout_seconds:g} s for {study_id}, {_goes_on(study_id)}")
    raise Stop(Exit.WAIT_TIMED_OUT)


def study_document(study: StudyView, result: StudyResult | None) -> dict[str, Any]:
    """Return a study and its verdict as JSON, in a versioned form."""
    return {
        "schema_version": DOCUMENT_VERSION,
        "study": study.model_dump(mode="json"),
        "result": result.model_dump(mode="json") if result else None,
    }


def _print_verdict(study: StudyView, found: StudyResult, json: Path | None) -> None:
    if not found.finalists:
        raise ResultImpossible("the study has no finalists")
    write_json(json, study_document(study, found))
    if str(json) != "-":
        verdict_page(study, found)


def _steer(action: Callable[[Client, str], StudyView], study_id: str) -> None:
    with connect() as client:
        study = action(client, study_id)
    data(f"{study.study_id} {study.status}")


def _goes_on(study_id: str) -> str:
    see, end = f"`metaopt watch {study_id}` to see it", f"`metaopt cancel {study_id}` to end it"
    return f"which goes on: {see}, {end}"
