"""Uploads: a body that goes to a file as it comes, and is never in memory as a whole.

    body ──pieces of 1 MiB──▶ a thread: write, hash ──▶ whole and right: renamed, else removed

The event loop only hands pieces on; a thread is held for as long as a piece takes.  How slowly a
body may come, `service.api.bodies.bounds` says of all of them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from anyio import CancelScope, to_thread
from starlette.requests import ClientDisconnect, Request

from metaopt.data.incoming.staging import Part, Staging
from service.api.bodies.body import check_head
from service.errors import BodyTooLarge, UploadCut
from service.operations.room import Room

PIECE_BYTES = 2**20


async def receive(
    request: Request,
    staging: Staging,
    digest: str,
    room: Room,
    now: datetime,
    before: Callable[[], None],
) -> None:
    """Keep the body among what is staged, if it has that SHA-256.

    Args:
        room: What there is for it; `most_bytes` are those of the file.
        before: Called in a thread once it is whole and right, before it is kept.

    Raises:
        BodyTooLarge: It has more bytes, announced or not.
        StorageFull: It is, or is announced to be, larger than the room that is left.
        NoRoom: With what nobody has taken there would be more than is kept.
        UploadCut: The client has gone.
        InvalidData: It has another SHA-256.
        OSError: It cannot be written.
    """
    size = check_head(request, room.most_bytes)
    async with _transfer(staging, digest, now, room, size) as part:
        await to_thread.run_sync(room.check, staging.directory, size or 0)
        async for piece in _pieces(request):
            if part.size + len(piece) > room.most_bytes:
                raise BodyTooLarge(f"the body must have at most {room.most_bytes} bytes")
            await to_thread.run_sync(room.check, staging.directory, len(piece))
            await to_thread.run_sync(part.write, piece)
        await to_thread.run_sync(part.finish, before)


@asynccontextmanager
async def _transfer(
    staging: Staging, digest: str, now: datetime, room: Room, size: int | None
) -> AsyncIterator[Part]:
    most = room.most_bytes if size is None else size
    part = await to_thread.run_sync(staging.begin, digest, now, most, room.waiting_bytes)
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
