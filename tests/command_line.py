"""The command line in tests: what parses, and what a run says."""

from collections.abc import Sequence

import typer

from service.cli.main import app


def parse(arguments: Sequence[str]) -> None:
    """Parse `arguments` as `metaopt` does, without running anything.

    Raises:
        TyperException, KeyError: They are no command line of ours.
    """
    command, left = typer.main.get_command(app), list(arguments)
    name = "metaopt"
    while hasattr(command, "commands"):
        name, *left = left
        command = command.commands[name]
    command.make_context(name, left)
