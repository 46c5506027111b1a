"""The command line `metaopt`: every command, and how it ends."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import structlog
import typer
from typer.exceptions import Abort, TyperException

from service.cli.arguments import without_blank_options
from service.cli.commands import (
    adapt,
    baselines,
    database,
    demo,
    doctor,
    download,
    evaluate,
    extend,
    keys,
    preview,
    replay,
    report,
    schedules,
    server,
    studies,
    task,
    webhooks,
)
from service.cli.commands import run as run_here
from service.cli.connection import tell_of_retries
from service.cli.console import data, say
from service.cli.exits import Exit, Stop, stopping_on_errors
from service.cli.misspelled import misspelled
from service.cli.streams import leave_streams, open_streams


def _version(wanted: bool) -> None:
    if wanted:
        try:
            data(metadata.version("metaopt"))
        except metadata.PackageNotFoundError:
            raise Stop(Exit.USAGE, "run from a checkout that is not installed") from None
        raise typer.Exit()


app = typer.Typer(
    name="metaopt",
    no_args_is_help=True,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _metaopt(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Meta-hyperparameter optimization: studies of MAML and Reptile, searched and judged."""
    for name, meant in misspelled(os.environ):
        say(f"warning: {name} is no setting and has no effect; did you mean {meant}?")


for command in (
    server.serve, server.api, server.dispatcher,
    studies.submit, run_here.run, studies.studies, studies.show, studies.watch, studies.result,
    studies.cancel, studies.pause, studies.resume, extend.extend, preview.preview,
    evaluate.evaluate, task.task, replay.replay, report.report, report.export, download.download,
    adapt.adapt,
    demo.demo, doctor.doctor,
):  # fmt: skip
    app.command()(command)
app.add_typer(database.app, name="db")
app.add_typer(keys.app, name="keys")
app.add_typer(baselines.app, name="baseline")
app.add_typer(schedules.app, name="schedule")
app.add_typer(webhooks.app, name="webhooks")


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    command = typer.main.get_command(app)
    tell_of_retries()
    try:
        with stopping_on_errors():
            given = without_blank_options(command, arguments)
            code = command.main(given, prog_name="metaopt", standalone_mode=False) or 0
            sys.stdout.flush()
            return code
    except Stop as stop:
        if stop.message:
            say(stop.message)
        return stop.code
    except TyperException as error:
        say(f"{error.format_message()}\nTry `{_path(error)} --help`.")
        return Exit.USAGE
    except (Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except Exception:
        traceback.print_exc()
        return Exit.BUG
    finally:
        leave_streams()


def _path(error: TyperException) -> str:
    """The command that an error is about, with those above it."""
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "metaopt"


def main() -> None:
    """Run the command that the shell was given."""
    open_streams()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
    sys.exit(run(sys.argv[1:]))
