"""Options: what a kind of tasks or models can be given, with type, default and bounds.

From them `service.wire` makes the fields of a study spec and its JSON schema, and both the spec and
the library check by them, so an option is declared once, beside the code that reads it.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from metaopt.errors import MetaoptError
from metaopt.messages import did_you_mean, shown
from metaopt.plain import between, plain

RESERVED = frozenset(
    {"kind", "chosen", "record", "copy", "json", "dict", "schema", "construct", "validate"}
    | {"classes", "distribution", "input_shape", "inputs_of_classes", "metric_record", "outputs"}
)
"""Names that a spec's tasks and models have already."""

Type = Literal["int", "float", "bool", "text", "choice", "interval", "widths", "record"]
TYPES: tuple[str, ...] = get_args(Type)

Options = Mapping[str, Any]
"""Options by name, as in a study spec."""

LARGEST = 1e30  # of a number whose option names no bound: float32 ends at 3e38
WIDEST = 1e6  # of an interval
MOST_WIDTHS = 8
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Option:
    """One option.

    Args:
        name: As in specs and JSON.
        type: "interval" is a rising pair of numbers, "widths" a list of 1 to 8 whole numbers,
            "record" a mapping, or None, of which `parse` says the rule.
        default: Of a spec that does not mention it.
        doc: One sentence, where the name does not say it.
        minimum, maximum: Bounds of a number, or of each in a list, inclusive.
        choices: Allowed values of a "choice".
        pattern: Regular expression of a whole "text".
        form: The same in words, as a message says it.
        parse: (value) -> the "record" as plain data; raises `MetaoptError` where it is none.
    """

    name: str
    type: Type
    default: Any
    doc: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    form: str = ""
    parse: Callable[[object], Any] = lambda given: given

    def __post_init__(self) -> None:
        """Check name and default: a declaration that is wrong must fail where it is made.

        Raises:
            MetaoptError: the name is taken by what every spec has, there is no such type, or the
                default breaks the option's own rule.
        """
        if self.type not in TYPES:
            rule = f"type of option {self.name} must be one of {', '.join(TYPES)}"
            raise MetaoptError(f"{rule}, got {shown(self.type)}{did_you_mean(self.type, TYPES)}")
        if self.name in RESERVED or self.name.startswith(("_", "model_")):
            raise MetaoptError(f"an option may not be called {self.name!r}: choose another name")
        try:
            self.check(self.default)
        except MetaoptError as error:
            raise MetaoptError(f"the default of option {self.name} {error}") from None

    def check(self, value: object) -> Any:
        """Return `value` as this option's type; numbers of numpy and torch are as good.

        Raises:
            MetaoptError: it breaks the rule, which is said without the option's name.
        """
        given = plain(value)
        match self.type:
            case "int":
                return self._whole(given)
            case "float":
                return self._number(given)
            case "bool":
                if not isinstance(given, bool):
                    raise _must("be true or false", given)
                return given
            case "text":
                if not isinstance(given, str) or not re.fullmatch(self.pattern or ".*", given):
                    raise _must(f"be {self.form or 'text'}", given)
                return given
            case "choice":
                if not isinstance(given, str) or given not in self.choices:
                    rule = f"be one of {', '.join(self.choices)}"
                    raise _must(rule, given, did_you_mean(given, self.choices))
                return given
            case "interval":
                return self._interval(given)
            case "widths":
                return self._widths(given)
            case "record":
                return self.parse(value)

    def _whole(self, given: object) -> int:
        if isinstance(given, bool) or not isinstance(given, int):
            raise _must("be a whole number", given)
        return self._bounded(given)

    def _number(self, given: object) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise _must("be a number", given)
        return float(self._bounded(given))

    def _bounded(self, given: Number) -> Number:
        if isinstance(given, float) and not math.isfinite(given):
            raise _must("be finite", given)
        if not self.minimum <= given <= self.maximum:
            raise _must(f"be {between(self.minimum, self.maximum)}", given)
        if abs(given) > LARGEST:
            raise _must("be within ±1e30", given)
        return given

    def _interval(self, given: object) -> tuple[float, float]:
        if not isinstance(given, list | tuple) or len(given) != 2:
            raise _must("be two numbers, low and high", given)
        low, high = (self._end(plain(end)) for end in given)
        if not low < high:
            raise MetaoptError(f"low must be below high, got {[low, high]}")
        return low, high

    def _end(self, given: object) -> float:
        if isinstance(given, int | float) and WIDEST < abs(given) < math.inf:
            raise _must("have bounds within ±1e6", given)
        return self._number(given)

    def _widths(self, given: object) -> list[int]:
        if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST_WIDTHS:
            raise _must(f"be a list of 1 to {MOST_WIDTHS} whole numbers", given)
        return [self._whole(plain(width)) for width in given]


def _must(rule: str, given: object, meant: str = "") -> MetaoptError:
    return MetaoptError(f"must {rule}, got {shown(given)}{meant}")


META_ITERATIONS = Option("meta_iterations", "int", 1000, minimum=1, maximum=10_000_000)
"""Length of a trial."""

SEED = Option("seed", "int", 0, minimum=0, maximum=2**53 - 1)
"""Of initial weights and training tasks; a number that every JSON parser keeps."""


def with_defaults(options: tuple[Option, ...], chosen: Options) -> dict[str, Any]:
    """The chosen options as they are, and the default of every other."""
    return {**{option.name: option.default for option in options}, **chosen}


def complete(
    owner: str, options: tuple[Option, ...], chosen: Options, error: type[MetaoptError]
) -> dict[str, Any]:
    """The chosen options checked, and the default of every other.

    Args:
        owner: Whose options they are, as "tasks sinusoid": its first word begins their paths.
        options: That there are; beside them `chosen` may have a `kind`.
        chosen: By name.

    Raises:
        MetaoptError: `error`; an unknown name, or a value that breaks its rule.
    """
    names = [option.name for option in options]
    for name in chosen:
        if name not in ("kind", *names):
            has = f"it has {', '.join(names)}" if names else "it has none"
            meant = did_you_mean(name, names)
            raise error(f"{owner} has no option {shown(name)}{meant or ';'} {has}")
    place = owner.partition(" ")[0]
    values: dict[str, Any] = {}
    for option in options:
        try:
            values[option.name] = option.check(chosen.get(option.name, option.default))
        except MetaoptError as broken:
            raise error(f"{place}.{option.name} {broken}") from None
    return values
