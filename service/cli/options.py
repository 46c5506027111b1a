"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.completion import complete_study
from service.cli.console import STDOUT, check_writable
from service.output_file import descriptor_of


def output_path(text: str) -> Path:
    """Where a user wants something written; every name of stdout is `-`."""
    path = Path(text)
    return STDOUT if descriptor_of(path) == 1 else path


StudyId = Annotated[
    str,
    typer.Argument(
        metavar="STUDY_ID",
        help="Id of the study, its first digits, its name, or last.",
        autocompletion=complete_study,
    ),
]


def _writable(context: typer.Context, path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before the command does anything."""
    if not context.resilient_parsing:  # as when a shell completes
        check_writable(path)
    return path


Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="F",
        parser=output_path,
        help="Also write JSON to this file; - is stdout.",
        callback=_writable,
    ),
]
Full = Annotated[
    bool, typer.Option("--full", help="The spec with every default, and every trial or run.")
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="S", min=0, help="Stop waiting after this many seconds; exit code 4."),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        parser=output_path,
        help="Write JUnit to this file, a case for each gate; - is stdout.",
    ),
]
Summary = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        parser=output_path,
        help="Write a Markdown summary to this file; - is stdout, $GITHUB_STEP_SUMMARY is added "
        "to.",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        parser=output_path,
        help="Write the report, one self-contained page, to this file; - is stdout.",
    ),
]
Events = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Print on stdout only what webhooks are told of the study, a line of JSON each.",
    ),
]
