"""The allowance of requests, which begins once a request is here whole."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.db.connections.allowance import allow


class Allowance:
    """ASGI middleware that says how long a request may wait for others who write.

    Args:
        app: The application behind it.
        seconds: In all, from the last of its body on.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""

        async def receiving() -> Message:
            message = await receive()
            allow(self._seconds)
            return message

        allow(self._seconds)
        await self._app(scope, receiving, send)
