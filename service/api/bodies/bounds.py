"""Bounds of a request's body, whoever reads it: how large it is, and how long it may take.

    receive ──▶ more than 1 MiB, announced or not ──▶ 413      10 s, and 1 s for each 50 KiB ──▶ 408
            └─▶ 16 MiB of all requests together ──▶ 429

So one that comes byte by byte has 10 s, as has one that does not come at all, and 1 MiB half a
minute.

Routes that take more look after themselves (`OWN`): manifests have another limit, and arrays go to
a file as they come.  The head of a request has its time where connections are kept
(`service.cli.processes.connections`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.bodies.body import check_size, too_large
from service.errors import RequestTimeout, ServiceError, TooManyBodies
from service.wire.parsing.plain_data import MAX_BODY_BYTES

SILENCE_SECONDS = 10.0
LEAST_RATE = MAX_BODY_BYTES / 20  # bytes a second beyond that
MOST_HELD_BYTES = 2**24
OWN = "/api/v1/datasets"

Refuse = Callable[[Request, Exception], Awaitable[Response]]


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
        if scope["type"] != "http" or scope["path"].startswith(OWN):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        bounded = _Bounded(receive, send, self._held)
        try:
            check_size(request, MAX_BODY_BYTES)
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

    def __init__(self, receive: Receive, send: Send, held: _Held) -> None:
        self._receive, self._send, self._held = receive, send, held
        self._begun_at = asyncio.get_running_loop().time()
        self._bytes = 0
        self._whole = False
        self.started = False
        self.refused: ServiceError | None = None

    async def receive(self) -> Message:
        if self._whole or self.started:  # whether the client goes away may be waited for
            return await self._receive()
        taken = asyncio.get_running_loop().time() - self._begun_at
        left = SILENCE_SECONDS + self._bytes / LEAST_RATE - taken
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, min(left, SILENCE_SECONDS)))
        except TimeoutError:
            raise self._refuse(
                RequestTimeout(
                    f"a body must come within {SILENCE_SECONDS:g} s and a second more for each "
                    f"{LEAST_RATE / 1024:.0f} KiB, without a pause of {SILENCE_SECONDS:g} s; "
                    f"{self._bytes} bytes did"
                )
            ) from None
        size = len(message.get("body", b""))
        self._bytes += size
        self._held.size += size
        self._whole = not message.get("more_body", False)
        if self._bytes > MAX_BODY_BYTES:
            raise self._refuse(too_large(MAX_BODY_BYTES))
        if self._held.size > MOST_HELD_BYTES:
            raise self._refuse(TooManyBodies("too many large bodies come at once; try again"))
        return message

    def let_go(self) -> None:
        """The request is over."""
        self._held.size -= self._bytes
        self._bytes = 0

    async def send(self, message: Message) -> None:
        if self.refused is not None and not self.started:
            return  # what others made of the error
        self.started = True
        await self._send(message)

    def _refuse(self, error: ServiceError) -> ServiceError:
        self.refused = error
        return error
