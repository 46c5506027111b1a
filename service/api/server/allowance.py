"""The allowance of requests: from their heads on, but for the time in which their bodies come."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.db.connections.allowance import allow


class Allowance:
    """ASGI middleware that says how long a request may wait for others who write.

    Args:
        app: The application behind it.
        seconds: In all.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        until = time.monotonic() + self._seconds

        async def receiving() -> Message:
            nonlocal until
            begun = time.monotonic()
            message = await receive()
            until += time.monotonic() - begun
            allow(until)
            return message

        allow(until)
        await self._app(scope, receiving, send)
