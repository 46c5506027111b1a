"""The command line in tests: what parses, and what a run says."""

from collections.abc import Sequence

from service.cli.main import command_line


def parse(arguments: Sequence[str]) -> None:
    """Parse `arguments` as `metaopt` does, without running anything.

    Raises:
        TyperException, KeyError: They are no command line of ours.
    """
    command, name, left, above = command_line(), "metaopt", list(arguments), None
    while hasattr(command, "commands"):
        # With its settings: what they say of help is remembered by each command that is parsed.
        above = command.context_class(
            command, info_name=name, parent=above, **command.context_settings
        )
        name, *left = left
        command = command.commands[name]
        command = getattr(command, "whole", command)
    command.make_context(name, left, parent=above)
