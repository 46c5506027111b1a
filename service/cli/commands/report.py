"""Commands that write a study to files: report and export."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.console import (
    STDOUT,
    check_writable,
    raw_data,
    say,
    write_file,
    write_text,
)
from service.cli.exits import Exit, Stop
from service.cli.options import Json, StudyId, output_path
from service.cli.outputs.answers import answer
from service.cli.outputs.results import check_apart
from service.wire.views.export import Format, What, file_stem


def report(
    study_id: StudyId,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="F",
            parser=output_path,
            help="Write one self-contained page to this file; - is stdout.",
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            metavar="F", parser=output_path, help="Write Markdown to this file; - is stdout."
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Write a study's report: a page with figures, Markdown, JSON; a page by default."""
    check_apart({"--html": html, "--markdown": markdown, "--json": json})
    check_writable(html)
    check_writable(markdown)
    with connect() as client:
        study = client.study(study_id)
        if html is None and markdown is None and json is None:
            html = Path(f"{file_stem(study.name)}-report.html")
        if html is not None:
            write_text(html, client.report_page(study.study_id))
        if markdown is not None:
            write_text(markdown, client.report_page(study.study_id, "md"))
        if json is not None:
            answer(json, client.report(study.study_id), lambda: None)


def export(
    study_id: StudyId,
    file_format: Annotated[
        Format,
        typer.Option("--format", metavar="csv|json|parquet", help="Format of the table."),
    ] = "csv",
    what: Annotated[
        What,
        typer.Option(
            metavar="trials|reports|scores",
            help="A row for each trial, each rung of a trial, or each task of a rung.",
        ),
    ] = "trials",
    out: Annotated[
        Path | None,
        typer.Option(metavar="F", parser=output_path, help="Write to this file instead of stdout."),
    ] = None,
    json: Json = None,
) -> None:
    """Write a study's trials, reports or scores by task as a table."""
    if json is not None:
        if out is not None or file_format == "parquet":
            raise Stop(Exit.USAGE, "--json F means --format json --out F: leave those two out")
        file_format, out = "json", json
    check_writable(out)
    if out in (None, STDOUT) and file_format == "parquet" and sys.stdout.isatty():
        raise Stop(Exit.USAGE, "Parquet is not for a terminal: name a file with --out")
    with connect() as client, client.export(study_id, what, file_format) as pieces:
        _save(out, pieces)


def _save(out: Path | None, pieces: Iterator[bytes]) -> None:
    if out is None or out == STDOUT:
        raw_data(pieces)
    else:
        write_file(out, pieces)
        say(f"wrote {out}")
