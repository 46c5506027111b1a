"""Options: what a kind of tasks or models can be given, with type, default and bounds.

From them `service.wire` makes the fields of a study spec and its JSON schema, so an option is
declared once, beside the code that reads it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Options = Mapping[str, Any]
"""Options by name, as in a study spec."""


@dataclass(frozen=True)
class Option:
    """One option.

    Args:
        name: As in specs and JSON.
        type: "interval" is a rising pair of numbers, "widths" a list of 1 to 8 whole numbers.
        default: Of a spec that does not mention it.
        doc: One sentence, where the name does not say it.
        minimum, maximum: Bounds of a number, or of each in a list, inclusive.
        choices: Allowed values of a "choice".
        pattern: Regular expression of a "text".
    """

    name: str
    type: Literal["int", "float", "bool", "text", "choice", "interval", "widths"]
    default: Any
    doc: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str | None = None


def with_defaults(options: tuple[Option, ...], chosen: Options) -> dict[str, Any]:
    """The chosen options, and the default of every other."""
    return {**{option.name: option.default for option in options}, **chosen}
