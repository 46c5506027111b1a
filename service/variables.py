"""Variables of the environment: one that is empty, or holds spaces alone, is as one not set.

Whoever passes variables on cannot always leave one out: compose and CI systems pass what is not
set as the empty text.
"""

from collections.abc import Mapping


def variable(variables: Mapping[str, str], name: str) -> str | None:
    """The value of a variable, or None."""
    value = variables.get(name, "")
    return None if is_blank(value) else value


def is_blank(value: object) -> bool:
    """Tell whether a value says nothing."""
    return isinstance(value, str) and not value.strip()
