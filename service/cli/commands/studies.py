"""Commands about studies: studies, show, cancel, pause, resume."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.console import data
from service.cli.options import Full, Json, StudyId
from service.cli.outputs.answers import answer
from service.cli.pages.studies import studies_page, study_page
from service.cli.pages.timeline import timeline_page
from service.client.client import Client
from service.wire.views.document import StudyDocument
from service.wire.views.studies import StudyView


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


def cancel(study_id: StudyId, json: Json = None) -> None:
    """End a study; what it has found so far stays."""
    _steer(Client.cancel, study_id, json)


def pause(study_id: StudyId, json: Json = None) -> None:
    """Take a study off the workers; its trials keep their checkpoints."""
    _steer(Client.pause, study_id, json)


def resume(study_id: StudyId, json: Json = None) -> None:
    """Let a paused study go on."""
    _steer(Client.resume, study_id, json)


def _steer(action: Callable[[Client, str], StudyView], study_id: str, json: Path | None) -> None:
    with connect() as client:
        study = action(client, study_id)
    line = f"{study.study_id} {study.status}"
    answer(json, StudyDocument(study=study), lambda: data(line))
