"""Options: what a kind of tasks or models can be given, with type, default and bounds.

From them `service.wire` makes the fields of a study spec and its JSON schema, so an option is
declared once, beside the code that reads it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from metaopt.errors import MetaoptError

RESERVED = frozenset(
    {"kind", "options", "record", "copy", "json", "dict", "schema", "construct", "validate"}
    | {"classes", "input_shape", "outputs"}
)
"""Names that a spec's tasks and models have already."""

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

    def __post_init__(self) -> None:
        """Check name and default: a declaration that is wrong must fail where it is made.

        Raises:
            MetaoptError: the name is taken by what every spec has, or the default breaks the
                option's own rule.
        """
        if self.name in RESERVED or self.name.startswith(("_", "model_")):
            raise MetaoptError(f"an option may not be called {self.name!r}: choose another name")
        numbers = self.default if isinstance(self.default, tuple | list) else (self.default,)
        bounded = self.type in ("int", "float", "widths")
        if bounded and not all(self.minimum <= number <= self.maximum for number in numbers):
            raise MetaoptError(
                f"the default of option {self.name} must be in [{self.minimum:g}, "
                f"{self.maximum:g}], got {self.default!r}"
            )
        if self.type == "choice" and self.default not in self.choices:
            raise MetaoptError(
                f"the default of option {self.name} must be one of {', '.join(self.choices)}, "
                f"got {self.default!r}"
            )
        if self.type == "interval" and not self.default[0] < self.default[1]:
            raise MetaoptError(
                f"the default of option {self.name} must rise, got {list(self.default)}"
            )


def with_defaults(options: tuple[Option, ...], chosen: Options) -> dict[str, Any]:
    """The chosen options, and the default of every other."""
    return {**{option.name: option.default for option in options}, **chosen}
