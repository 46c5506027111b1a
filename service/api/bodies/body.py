"""A request's body: read with a limit, told JSON from YAML, parsed by our own rules."""

import threading
from typing import Any

from starlette.requests import ClientDisconnect, Request

from service.errors import BodyTooLarge, UnsupportedMediaType
from service.wire.parsing.plain_data import DATASET, MAX_BODY_BYTES, parse_json, parse_yaml

YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
JSON_TYPES = frozenset({"", "application/json"})
MOST_AT_ONCE = 2

_parsing = threading.BoundedSemaphore(MOST_AT_ONCE)  # each takes memory, and none is faster so
_parsing_large = threading.Lock()  # one at a time: it may take hundreds of megabytes


async def read_body(request: Request) -> bytes:
    """Return the body; stop reading as soon as it is too large.

    Raises:
        BodyTooLarge: It has more than 1 MiB, announced or not.
        UnsupportedMediaType: It is compressed.
    """
    return await read_up_to(request, MAX_BODY_BYTES)


async def read_up_to(request: Request, most_bytes: int) -> bytes:
    """Return a body of at most so many bytes; otherwise as `read_body`."""
    check_head(request, most_bytes)
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most_bytes:
                raise too_large(most_bytes)
            chunks.append(chunk)
    except ClientDisconnect:
        return b""
    return b"".join(chunks)


def check_head(request: Request, most_bytes: int) -> int | None:
    """Refuse a body by what is announced of it; return its size, if that is announced.

    Raises:
        BodyTooLarge: It has more bytes.
        UnsupportedMediaType: It is compressed.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaType("send the body uncompressed")
    return check_size(request, most_bytes)


def check_size(request: Request, most_bytes: int) -> int | None:
    """Return the size of a body that is announced; refuse one that is larger.

    Raises:
        BodyTooLarge: It has more bytes.
    """
    announced = request.headers.get("content-length", "")
    size = int(announced[:20]) if announced.isdecimal() else None
    if size is not None and size > most_bytes:
        raise too_large(most_bytes)
    return size


def too_large(most_bytes: int) -> BodyTooLarge:
    """Return what is said of a larger body."""
    return BodyTooLarge(f"the body must have at most {most_bytes} bytes")


def parse_body(body: bytes, content_type: str) -> Any:
    """Return the body's data.

    Raises:
        UnsupportedMediaType: It is said to be neither JSON nor YAML.
        InvalidSpec, BodyTooLarge: As the parsers.
    """
    media_type = _media_type(content_type)
    if media_type in YAML_TYPES:
        with _parsing:
            return parse_yaml(body)
    if _is_json(media_type):
        with _parsing:
            return parse_json(body)
    raise UnsupportedMediaType(
        "send the spec with Content-Type: application/yaml or application/json"
    )


def parse_dataset(body: bytes, content_type: str) -> Any:
    """Return the data of the body that adds a data set; what they may be is for others to say.

    Raises:
        UnsupportedMediaType: It is not said to be JSON.
        InvalidDataset, BodyTooLarge: As the parser.
    """
    if not _is_json(_media_type(content_type)):
        raise UnsupportedMediaType("send the data set with Content-Type: application/json")
    with _parsing_large:
        return parse_json(body, DATASET)


def _media_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return media_type in JSON_TYPES or media_type.endswith("+json")
