"""The command `download`: all there is of a completed study, in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.console import data
from service.cli.exits import unwritable
from service.cli.options import StudyId


def download(
    study_id: StudyId,
    to: Annotated[
        Path | None,
        typer.Option(metavar="D", help="Folder, made if needed; by default the study's id."),
    ] = None,
) -> None:
    """Write winner.safetensors, study.json, report.html and trials.csv into a folder."""
    folder = to or Path(study_id)
    with connect() as client:
        try:
            data(str(client.download(study_id, folder)))
        except OSError as error:
            raise unwritable(error.filename or folder, error) from None
