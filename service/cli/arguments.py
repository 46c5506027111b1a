"""Arguments of a command as they are meant: an option that is given an empty text is not given.

So a script may pass `--junit "$FILE"` whether or not it has one; with variables it is the same.
"""

from collections.abc import Sequence
from typing import Any

from service.variables import is_blank


def without_blank_options(command: Any, arguments: Sequence[str]) -> list[str]:
    """The arguments without options whose value is empty, or spaces alone.

    Args:
        command: What they are for; it may have commands inside.
        arguments: As the shell gave them.
    """
    kept: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*kept, word, *left]
        command = getattr(command, "commands", {}).get(word, command)
        name, given, value = word.partition("=")
        if name not in _options_with_values(command):
            kept.append(word)
        elif given or not left:
            kept += [] if given and is_blank(value) else [word]
        else:
            value = left.pop(0)
            kept += [] if is_blank(value) else [word, value]
    return kept


def _options_with_values(command: Any) -> set[str]:
    options = (one for one in command.params if one.param_type_name == "option")
    return {name for option in options if not option.is_flag for name in option.opts}
