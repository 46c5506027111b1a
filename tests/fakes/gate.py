"""Applications put together by a test, without the gate of a whole one."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.identity import ANYONE


class OpenGate:
    """Lets everybody in, as the gate of a server without keys does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say who asks."""
        scope["identity"] = ANYONE
        await self._app(scope, receive, send)


def opened(app: FastAPI) -> FastAPI:
    """The application, with such a gate."""
    app.add_middleware(OpenGate)
    return app
