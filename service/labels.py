"""Labels of slots: NAME=VALUE, by which a study may choose where it is trained."""

import re

LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
"""What a name or a value may be."""

_PAIR = re.compile(rf"(?P<name>{LABEL})\s*=\s*(?P<value>{LABEL})")


def parse_labels(text: str) -> dict[str, str]:
    """The labels of a text as `pool=night, room=7`.

    Raises:
        ValueError: It is no such text, or names one twice.

    Example:
        >>> parse_labels("pool=night, room=7")
        {'pool': 'night', 'room': '7'}
    """
    labels: dict[str, str] = {}
    for one in filter(None, map(str.strip, text.split(","))):
        pair = _PAIR.fullmatch(one)
        if pair is None:
            raise ValueError(
                "must be NAME=VALUE with commas between, each of letters, digits, `.`, `_` and `-` "
                f"after a first letter or digit, at most 63, got {one[:80]!r}"
            )
        if pair["name"] in labels:
            raise ValueError(f"must name each label once, got {pair['name']} twice")
        labels[pair["name"]] = pair["value"]
    return labels
