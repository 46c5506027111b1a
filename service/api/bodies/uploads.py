"""Uploads: a body that goes to a file as it comes, and is never in memory as a whole.

    body ──pieces of 1 MiB──▶ a thread: write, hash ──▶ whole and right: renamed, else removed

The event loop only hands pieces on; a thread is held for as long as a piece takes.  How slowly a
body may come, `service.api.bodies.bounds` says of all of them.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from anyio import CancelScope, to_thread
from starlette.requests import ClientDisconnect, Request

from metaopt.data.incoming.staging import Part, Staging
from service.api.bodies.body import check_head
from service.errors import BodyTooLarge, StorageFull, UploadCut

PIECE_BYTES = 2**20


async def receive(
    request: Request,
    staging: Staging,
    digest: str,
    most_bytes: int,
    now: datetime,
    before: Callable[[], None],
) -> None:
    """Keep the body among what is staged, if it has that SHA-256.

    Args:
        before: Called in a thread once it is whole and right, before it is kept.

    Raises:
        BodyTooLarge: It has more bytes, announced or not.
        StorageFull: It is announced to be larger than the room that is left.
        UploadCut: The client has gone.
        InvalidData: It has another SHA-256.
        OSError: It cannot be written.
    """
    size = check_head(request, most_bytes)
    async with _transfer(staging, digest, now) as part:
        await to_thread.run_sync(_check_room, staging, size or 0)
        async for piece in _pieces(request):
            if part.size + len(piece) > most_bytes:
                raise BodyTooLarge(f"the body must have at most {most_bytes} bytes")
            await to_thread.run_sync(part.write, piece)
        await to_thread.run_sync(part.finish, before)


@asynccontextmanager
async def _transfer(staging: Staging, digest: str, now: datetime) -> AsyncIterator[Part]:
    part = await to_thread.run_sync(staging.begin, digest, now)
    try:
        yield part
    finally:
        with CancelScope(shield=True):  # also of a server that stops
            await to_thread.run_sync(part.close)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the body in pieces of 1 MiB or a little more."""
    stream, waiting, size = request.stream(), list[bytes](), 0
    try:
        while True:
            chunk = await anext(stream, None)
            if chunk is not None:
                waiting.append(chunk)
                size += len(chunk)
            if size >= PIECE_BYTES or chunk is None:
                yield b"".join(waiting)
                waiting, size = [], 0
            if chunk is None:
                return
    except ClientDisconnect:
        raise UploadCut("the connection broke before the end: nothing was kept") from None


def _check_room(staging: Staging, size: int) -> None:
    free = shutil.disk_usage(staging.directory).free
    if size > free:
        raise StorageFull(f"the server's disk has room for {free} bytes, {size} were announced")
