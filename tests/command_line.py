"""The command line in tests: what parses, and what a run says."""

from collections.abc import Sequence

from service.cli.main import command_line


def parse(arguments: Sequence[str]) -> None:
    """Parse `arguments` as `metaopt` does, without running anything.

    Raises:
        TyperException, KeyError: They are no command line of ours.
    """
    command, name, left = command_line(), "metaopt", list(arguments)
    while hasattr(command, "commands"):
        name, *left = left
        command = command.commands[name]
        command = getattr(command, "whole", command)
    command.make_context(name, left)
