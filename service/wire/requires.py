"""What a study requires of the slots that train it: a device, memory, labels."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from service.labels import LABEL
from service.wire.base import Wire

MOST_BYTES = 2**50
MOST_LABELS = 16

_UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_SCHEMA = r"^[0-9]{1,12}(\.[0-9]{1,6})? ?([KMGTkmgt][iI]?)?[Bb]$"
_BYTES = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?) ?(?P<unit>B|[KMGT]i?B)", re.I)


def parse_bytes(given: Any) -> Any:
    """Bytes of a text as "20 GB" or "512 MiB"; anything but a text as it is.

    Raises:
        ValueError: The text says no number of bytes.

    Example:
        >>> parse_bytes("1.5 GiB")
        1610612736
    """
    if not isinstance(given, str):
        return given
    told = _BYTES.fullmatch(given.strip())
    if told is None:
        raise ValueError(
            f"must be a number of bytes, or a text as `20 GB` or `512 MiB`, got {given[:40]!r}"
        )
    return int(float(told["number"]) * _UNITS[told["unit"].upper()])


Bytes = Annotated[
    int,
    Field(ge=1, le=MOST_BYTES),
    BeforeValidator(parse_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_BYTES},
                {"type": "string", "pattern": _SCHEMA},
            ]
        }
    ),
]
Label = Annotated[str, Field(pattern=f"^{LABEL}$")]


class Requires(Wire):
    """What a slot must have to train the study; what is null or empty is not asked for.

    Args:
        device: `cuda` or `cpu`.
        memory: Of the device, or of a worker on a core: bytes, or a text as `20 GB`.
        labels: That whoever runs the slot has given it (`METAOPT_LABELS`), each with its value.
    """

    device: Literal["cpu", "cuda"] | None = None
    memory: Bytes | None = None
    labels: Annotated[dict[Label, Label], Field(max_length=MOST_LABELS)] = {}

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != NOTHING


NOTHING = Requires()
