"""Cursors: the position after a page, opaque to the client, checked when it comes back."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from metaopt.data.names import checked_name, digest_in
from metaopt.data.store import Place, place_of
from metaopt.errors import InvalidData
from service.errors import InvalidCursor

Row = TypeVar("Row")
LARGEST_NUMBER = 2**31 - 1


class Position(NamedTuple):
    """Place of a study in the list, newest first."""

    created_at: datetime
    study_id: str


def split_page(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """At most `limit` rows, and the last of them if there were more."""
    page = rows[:limit]
    return page, page[-1] if len(rows) > limit else None


def encode_position(position: Position) -> str:
    """The cursor for the studies after this one."""
    return _encode([position.created_at.isoformat(), position.study_id])


def decode_position(cursor: str) -> Position:
    """The place that `encode_position` was given.

    Raises:
        InvalidCursor: The cursor is not one of ours.
    """
    match _decode(cursor):
        case [str(created_at), str(study_id)] if study_id.isalnum() and study_id.isascii():
            try:
                instant = datetime.fromisoformat(created_at)
            except ValueError:
                raise InvalidCursor(_MESSAGE) from None
            if instant.tzinfo is not None and instant.utcoffset() is not None:
                return Position(instant, study_id)
    raise InvalidCursor(_MESSAGE)


def encode_number(number: int) -> str:
    """The cursor for what comes after this number."""
    return _encode([number])


def decode_number(cursor: str) -> int:
    """The number that `encode_number` was given.

    Raises:
        InvalidCursor: The cursor is not one of ours.
    """
    match _decode(cursor):
        case [int(number)] if 0 <= number <= LARGEST_NUMBER:
            return number
    raise InvalidCursor(_MESSAGE)


def encode_place(place: Place) -> str:
    """The cursor for the data sets behind this one."""
    return _encode([place.first_name, place.digest])


def decode_place(cursor: str) -> Place:
    """The place that `encode_place` was given.

    Raises:
        InvalidCursor: The cursor is not one of ours.
    """
    match _decode(cursor):
        case [str(name), str(digest)] if digest_in(digest) == digest and _is_name(name):
            return place_of(digest, (name,) if name else ())
    raise InvalidCursor(_MESSAGE)


def _is_name(name: str) -> bool:
    try:
        return not name or bool(checked_name(name))
    except InvalidData:
        return False


_MESSAGE = "cursor: must be one that a list has handed out as next_cursor"


def _encode(parts: list[str | int]) -> str:
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> object:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidCursor(_MESSAGE) from None
