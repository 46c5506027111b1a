"""Latencies: how long requests wait for their answers to begin, as a histogram for Prometheus.

Each API process counts its own requests: Prometheus asks each, and sums.
"""

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
OTHER = "other"
"""A route that is none of ours (the dashboard's, or none at all), or a method nobody knows."""


class Latencies:
    """ASGI middleware that observes every answer; a stream by its beginning.

    Args:
        app: The application behind it.
        seconds: Where it is observed (`service.operations.monitoring.latencies`).
    """

    def __init__(self, app: ASGIApp, seconds: Histogram) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                # By its pattern: of addresses there are as many as studies.
                route = getattr(scope.get("route"), "path", OTHER)
                method = scope["method"] if scope["method"] in METHODS else OTHER
                told = self._seconds.labels(method, route, str(message["status"]))
                told.observe(time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, sending)
