"""The command `download`: all there is of a completed study, in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.console import data
from service.cli.exits import unwritable
from service.cli.options import Json, StudyId
from service.cli.outputs.answers import answer


def download(
    study_id: StudyId,
    to: Annotated[
        Path | None,
        typer.Option(metavar="D", help="Folder, made if needed; by default the study's id."),
    ] = None,
    json: Json = None,
) -> None:
    """Write winner.safetensors, study.json, report.html and trials.csv into a folder."""
    with connect() as client:
        found = client.study(study_id).study_id
        folder = to or Path(found)
        try:
            client.download(found, folder)
        except OSError as error:
            raise unwritable(error.filename or folder, error) from None
    document = {"study_id": found, "folder": str(folder)}
    answer(json, document, lambda: data(str(folder)))
