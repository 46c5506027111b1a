"""The command line `metaopt`: every command, and how it ends."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from service.cli.catalogue import COMMANDS
from service.cli.console import data, say
from service.cli.exits import Exit, Stop, refusal_of_machine
from service.cli.misspelled import misspelled
from service.cli.streams import leave_streams, open_streams


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # what nobody else asks for

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
    """Meta-hyperparameter optimization: studies of meta-learning, searched and judged."""
    for name, meant in misspelled(os.environ):
        say(f"warning: {name} is no setting and has no effect; did you mean {meant}?")


def command_line() -> TyperGroup:
    """The command line, with all its commands."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands.update(COMMANDS)
    return group


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    try:
        code = command_line().main(list(arguments), prog_name="metaopt", standalone_mode=False)
        sys.stdout.flush()
        return code or Exit.DONE
    except TyperException as error:
        say(f"{error.format_message()}\nTry `{_path(error)} --help`.")
        return Exit.USAGE
    except (Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except SystemExit as ended:  # how typer ends a command whose reader has had enough: with 1
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        return Exit.DONE
    except Stop as stop:
        return _told(stop)
    except (OSError, MemoryError) as error:
        return _told(refusal_of_machine(error))
    except Exception as error:
        from service.cli.failures import stop_of  # knows every error, so it loads what they are of

        stop_or_bug = stop_of(error)
        if stop_or_bug is not None:
            return _told(stop_or_bug)
        traceback.print_exc()
        return Exit.BUG
    finally:
        leave_streams()


def _told(stop: Stop) -> int:
    if stop.message:
        say(stop.message)
    return stop.code


def _path(error: TyperException) -> str:
    """The command that an error is about, with those above it."""
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "metaopt"


def main() -> None:
    """Run the command that the shell was given."""
    open_streams()
    sys.exit(run(sys.argv[1:]))
