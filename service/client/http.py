"""The client's way to a server: one call, repeated only where that is safe.

What may be asked twice is asked again with growing pauses, while nobody answers or the server says
that it cannot just now, until the patience ends.  What must not be asked twice is asked once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import stamina
from pydantic import BaseModel, ValidationError

from service.client.errors import ClientError, ServerRefused, ServerUnreachable
from service.wire.views.problems import TYPE_PREFIX, Problem
from service.wire.words.projects import PROJECT_HEADER

BUSY = frozenset({429, 502, 503, 504})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
READ_SECONDS = 60.0  # a stream sends something every 15 s
CONNECT_SECONDS = 5.0
DOTS = {".": "%2E", "..": "%2E%2E"}  # in a path they lead elsewhere

Model = TypeVar("Model", bound=BaseModel)


class Http:
    """Calls to one server.

    Args:
        url: Where it is, without a slash at its end.
        api_key: Key, if the server needs one.
        patience_seconds: How long a call is repeated while the server cannot be reached.
        transport: How bytes travel, e.g. over a Unix socket; None is over the network.
        project: In which project to be at work; None is the first that the key is for.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        patience_seconds: float,
        transport: httpx2.BaseTransport | None,
        project: str | None = None,
    ) -> None:
        self.url = url
        self._patience_seconds = patience_seconds
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        if project:
            headers[PROJECT_HEADER] = project
        try:
            self._http = httpx2.Client(
                base_url=url,
                headers=headers,
                transport=transport,
                timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
                trust_env=httpx2.URL(url).host not in LOOPBACK,  # no proxy to ourselves
                # Without TLS there is nothing to verify, and reading all certificates takes long.
                verify=not url.startswith("http://"),
            )
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise ServerUnreachable(f"{url} is no URL of a server: {error}") from None

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def call(
        self, model: type[Model], method: str, path: str, *, once: bool = False, **arguments: Any
    ) -> Model:
        """The answer of an endpoint, as what it is.

        Args:
            model: What the answer is.
            method, path: The endpoint, without /api/v1.
            once: It must not be made twice.
            arguments: Of `httpx2.Client.request`.
        """
        try:
            return model.model_validate_json(self.content(method, path, once=once, **arguments))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(map(str, first["loc"]))
            raise ClientError(
                f"{self.url} answers, but not as this version of metaopt understands: "
                f"{f'{path}: ' if path else ''}{first['msg']}"
            ) from None

    def content(self, method: str, path: str, *, once: bool = False, **arguments: Any) -> bytes:
        """The answer of an endpoint as it came; the arguments are those of `call`.

        A `content` that is a function gives what is sent, each time it is.
        """
        if once:
            return self._ask(method, path, arguments)
        for attempt in stamina.retry_context(
            on=_worth_another_try, attempts=None, timeout=self._patience_seconds, wait_max=2.0
        ):
            with attempt:
                return self._ask(method, path, arguments)
        raise AssertionError("a retry context ends with a result or an error")

    @contextmanager
    def stream(self, path: str, **arguments: Any) -> Iterator[httpx2.Response]:
        """Yield an answer whose body is still to come; asked for once.

        Raises:
            ServerRefused: The server answers with a problem.
            httpx2.TransportError: Nobody answers, or the stream breaks off.
        """
        with self._http.stream("GET", f"/api/v1{path}", **arguments) as response:
            if not response.is_success:
                response.read()
                answer(response)
            yield response

    def plain(self, path: str) -> bytes:
        """The text at a path outside the API; asked for once."""
        try:
            return answer(self._http.get(path))
        except httpx2.TransportError as error:
            raise self.unreachable(error) from None

    def unreachable(self, error: Exception) -> ServerUnreachable:
        """Return that nobody answers as an error for the user."""
        return ServerUnreachable(f"no server answers at {self.url} ({error})")

    def _ask(self, method: str, path: str, arguments: dict[str, Any]) -> bytes:
        content = arguments.get("content")
        sent = {**arguments, "content": content()} if callable(content) else arguments
        try:
            response = self._http.request(method, f"/api/v1{path}", **sent)
        except UnicodeEncodeError:  # bytes that the shell gave and that are no text
            raise ServerRefused(_invalid("names, ids and keys must be text in UTF-8")) from None
        except httpx2.TransportError as error:
            raise self.unreachable(error) from None
        return answer(response)


def in_path(name: str) -> str:
    """A name or id as a part of a path: whatever it is, it is one part, and no query.

    Raises:
        ServerRefused: It is empty or has a slash, so that servers would take it for another path.
    """
    if not name or "/" in name:
        raise ServerRefused(
            _invalid(f"a name or an id must not be empty or have a /, got {name!r}")
        )
    return DOTS.get(name) or quote(name, safe="", errors="replace")


def answer(response: httpx2.Response) -> bytes:
    """The body of an answer.

    Raises:
        ServerRefused: It is a problem.
    """
    if response.is_success:
        return response.content
    try:
        raise ServerRefused(Problem.model_validate_json(response.content))
    except ValidationError:
        raise ServerRefused(_foreign(response)) from None


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, ServerRefused):
        return error.problem.status in BUSY
    return isinstance(error, ServerUnreachable)


def _invalid(detail: str) -> Problem:
    return Problem(
        type=f"{TYPE_PREFIX}invalid-request",
        code="invalid-request",
        title="The request breaks a rule",
        status=422,
        detail=detail,
    )


def _foreign(response: httpx2.Response) -> Problem:
    code = f"http-{response.status_code}"
    return Problem(
        type="about:blank",
        code=code,
        title=response.reason_phrase,
        status=response.status_code,
        detail=f"{response.request.url} answered {response.status_code}, not as metaopt does",
    )
