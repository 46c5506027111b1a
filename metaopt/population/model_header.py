"""The header of a model file, read without torch and without the weights behind it.

8 bytes   N, little-endian          the format of safetensors
N bytes   JSON, whose `__metadata__` has texts by name
"""

import json

PREFIX = 8
MOST_BYTES = 2**26

CARD = "metaopt"
HARDEST = "metaopt_hardest"
"""JSON of `metaopt.evaluation.hard_tasks.Hardest`, or {"failed": why}; not in every file."""


def header_size(prefix: bytes) -> int:
    """How many bytes the header has; 0 if it is none."""
    size = int.from_bytes(prefix, "little") if len(prefix) == PREFIX else 0
    return size if size <= MOST_BYTES else 0


def entry(header: bytes, name: str) -> str | None:
    """A text of the header; None if it has none of that name, or is damaged."""
    try:
        found = json.loads(header)["__metadata__"].get(name)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return found if isinstance(found, str) else None
