"""Plug-ins of this machine: what `--import` names, and what METAOPT_PLUGINS allows here."""

import os
from pathlib import Path
from typing import Annotated

import typer

from metaopt.errors import InvalidPlugin
from metaopt.plugins.allowed import Allowed, parse_allowed
from service.cli.exits import Exit, Stop
from service.variables import variable


def _imported(context: typer.Context, files: list[Path] | None) -> list[Path] | None:
    """Refuse what Python could not import before the command does anything."""
    for file in files or ():
        if not context.resilient_parsing and not (file.is_file() and file.suffix == ".py"):
            raise Stop(
                Exit.USAGE, f"--import must be given a Python file, as ./mine.py, got {file}"
            )
    return files


Import = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Let workers import this Python file, for its tasks, models and algorithms; may be "
        "repeated.",
        callback=_imported,
    ),
]


def paths_of(files: list[Path] | None) -> list[str]:
    """Files to import by the paths that every process knows them by."""
    return list(dict.fromkeys(str(file.resolve()) for file in files or ()))


def allowed_here() -> tuple[Allowed, ...]:
    """The packages that may be imported in this process and its workers.

    Raises:
        Stop: METAOPT_PLUGINS is no list of them.
    """
    try:
        return parse_allowed(variable(os.environ, "METAOPT_PLUGINS") or "")
    except InvalidPlugin as error:
        raise Stop(Exit.USAGE, f"METAOPT_PLUGINS: {error}") from None
