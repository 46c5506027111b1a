"""Bounds of a request's body, whoever reads it: how large it is, and how long it may take.

                 at most       silence    in all, and 1 s more for each 50 KiB    together
    most           1 MiB        10 s       10 s                                     48 MiB
    a manifest    32 MiB        10 s       10 s                                     40 MiB
    arrays       (their own)    60 s       60 s                                     40 MiB

More bytes, announced or not, are 413; what does not come in time is 408; beyond what all requests
together may hold it is 429; of arrays, which go to a file as they come, only the piece that waits
is held.  So one that comes byte by byte has 10 s, as has one that does not come at all, and 1 MiB
half a minute.  Time counts while a piece is waited for, not while it is written to a disk.

The head of a request has its time where connections are kept
(`service.cli.processes.connections`).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.bodies.body import check_size, too_large
from service.api.bodies.uploads import PIECE_BYTES
from service.errors import RequestTimeout, ServiceError, TooManyBodies
from service.wire.parsing.plain_data import MAX_BODY_BYTES, MAX_MANIFEST_BYTES

SILENCE_SECONDS = 10.0
ARRAYS_SILENCE_SECONDS = 60.0
LEAST_RATE = MAX_BODY_BYTES / 20  # bytes a second beyond that
MOST_HELD_BYTES = 3 * 2**24
LEFT_TO_OTHERS = 2**23  # so that whoever sends large data sets slowly keeps nobody else out
MANIFESTS = ("POST", "/api/v1/datasets")
ARRAYS = re.compile("PUT /api/v1/datasets/blobs/[0-9a-f]{64}")

Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Limits(NamedTuple):
    """What the body of a request may be.

    Args:
        most_bytes: Of it; None where its route counts them, and holds no more than a piece of it.
        silence_seconds: How long nothing may come; also what it has in all beside its rate.
        most_held: Bytes of all bodies under way beyond which this one is refused.
    """

    most_bytes: int | None
    silence_seconds: float
    most_held: int


def limits_of(method: str, path: str) -> Limits:
    """What the body of a request may be; a path that is no route has no more than others."""
    most_held = MOST_HELD_BYTES - LEFT_TO_OTHERS
    if ARRAYS.fullmatch(f"{method} {path}"):
        return Limits(None, ARRAYS_SILENCE_SECONDS, most_held)
    if (method, path) == MANIFESTS:
        return Limits(MAX_MANIFEST_BYTES, SILENCE_SECONDS, most_held)
    return Limits(MAX_BODY_BYTES, SILENCE_SECONDS, MOST_HELD_BYTES)


class Bounds:
    """ASGI middleware that reads a body no further than its bounds.

    Args:
        app: The application behind it.
        refuse: Turns the error into the answer.
    """

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self._app, self._refuse = app, refuse
        self._held = _Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with a `receive` that keeps the bounds, or answer for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        limits = limits_of(scope["method"], scope["path"])
        bounded = _Bounded(receive, send, limits, self._held)
        try:
            if limits.most_bytes is not None:
                check_size(request, limits.most_bytes)
            await self._app(scope, bounded.receive, bounded.send)
        except ServiceError as error:
            bounded.refused = bounded.refused or error
        finally:
            bounded.let_go()
        if bounded.refused is not None and not bounded.started:
            answer = await self._refuse(request, bounded.refused)
            await answer(scope, receive, send)


@dataclass
class _Held:
    """Bytes of bodies that requests under way hold; the event loop alone counts them."""

    size: int = 0


class _Bounded:
    """A request's two ways, whose answer is held back once its body has broken a bound."""

    def __init__(self, receive: Receive, send: Send, limits: Limits, held: _Held) -> None:
        self._receive, self._send, self._limits, self._held = receive, send, limits, held
        self._waited = 0.0
        self._bytes = self._counted = 0
        self._whole = False
        self.started = False
        self.refused: ServiceError | None = None

    async def receive(self) -> Message:
        if self._whole or self.started:  # whether the client goes away may be waited for
            return await self._receive()
        try:
            message = await self._next()
        except TimeoutError:
            raise self._refuse(self._too_slow()) from None
        size = len(message.get("body", b""))
        self._bytes += size
        self._whole = not message.get("more_body", False)
        self._hold(size)
        return message

    async def _next(self) -> Message:
        silence, now = self._limits.silence_seconds, asyncio.get_running_loop().time
        left = silence + self._bytes / LEAST_RATE - self._waited
        begun_at = now()
        message = await asyncio.wait_for(self._receive(), max(0.0, min(left, silence)))
        self._waited += now() - begun_at
        return message

    def _hold(self, size: int) -> None:
        most = self._limits.most_bytes
        held = size if most is not None else min(size, PIECE_BYTES - self._counted)
        self._counted += held
        self._held.size += held
        if most is not None and self._bytes > most:
            raise self._refuse(too_large(most))
        if self._held.size > self._limits.most_held:
            raise self._refuse(TooManyBodies("too many large bodies come at once; try again"))

    def _too_slow(self) -> RequestTimeout:
        silence = self._limits.silence_seconds
        return RequestTimeout(
            f"a body must come within {silence:g} s and a second more for each "
            f"{LEAST_RATE / 1024:.0f} KiB, without a pause of {silence:g} s; "
            f"{self._bytes} bytes did"
        )

    def let_go(self) -> None:
        """The request is over."""
        self._held.size -= self._counted
        self._counted = 0

    async def send(self, message: Message) -> None:
        if self.refused is not None and not self.started:
            return  # what others made of the error
        self.started = True
        await self._send(message)

    def _refuse(self, error: ServiceError) -> ServiceError:
        self.refused = error
        return error
