"""What messages of errors have in common: values shown short, and the name that was meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


def shown(value: object, limit: int = 60) -> str:
    """A short form of any value, on one line.

    Example:
        >>> shown("x" * 100, 8)
        "'xxxxxx…"
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # somebody's own __repr__ must not hide what is wrong
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def as_kind(given: object, names: Iterable[str]) -> str:
    """How a kind that was given by its name alone is written, to be put after a message."""
    return f': give {{"kind": "{given}"}}' if isinstance(given, str) and given in names else ""


def did_you_mean(name: object, known: Iterable[str], before: str = ", ") -> str:
    """The question whether one of `known` was meant, to be put after a message; or nothing.

    Args:
        name: As somebody wrote it.
        known: The names that there are.
        before: What stands before the question.

    Example:
        >>> did_you_mean("trails", ["trials", "stagnation"])
        ', did you mean trials?'
        >>> did_you_mean("inner-LR", ["inner_lr", "outer_lr"])
        ', did you mean inner_lr?'
    """
    if not isinstance(name, str):
        return ""
    letters = {_letters(one): one for one in known}
    close = get_close_matches(_letters(name[:200]), letters, n=1, cutoff=0.65)
    return f"{before}did you mean {letters[close[0]]}?" if close else ""


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
