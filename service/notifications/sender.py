"""Sending: one attempt, one connection, to an address that was checked.

    resolve ──▶ check ──▶ connect to the address ──▶ TLS for the host's name ──▶ POST ──▶ status

The name is resolved once, and the socket is opened to what was checked: a second resolution could
answer otherwise (DNS rebinding).  TLS still proves the host's name.  Of the answer only the status
line is read, so a redirect leads nowhere and a body is kept nowhere.  Proxies of the environment
are not used: they would choose the address.

Nothing here raises for what a receiver or the network does; that is an `Outcome`.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from service.notifications import signature
from service.notifications.address import (
    HTTP_PORT,
    HTTPS_PORT,
    AddressRefused,
    Resolve,
    Target,
    check,
    resolve_by_system,
)
from service.notifications.config import Webhook
from service.notifications.formats import media_type
from service.notifications.retries import Outcome

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MAX_ANSWER_BYTES = 4096
MAX_ERROR_CHARACTERS = 200
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")


class Unanswered(Exception):
    """There was no answer that can be understood."""


@dataclass(frozen=True)
class Sender:
    """What sends; the fields are the seams to the outside.

    Args:
        resolve: (host, port) -> addresses.
        tls: How certificates are checked; by default as the system does (SSL_CERT_FILE).
        monotonic: A clock in seconds, for deadlines.
    """

    resolve: Resolve = resolve_by_system
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    monotonic: Callable[[], float] = time.monotonic

    def send(self, webhook: Webhook, delivery_id: str, body: bytes, now: datetime) -> Outcome:
        """Make one attempt to deliver `body`; takes about `TOTAL_SECONDS` at most."""
        target = webhook.target
        head = request_head(webhook, delivery_id, body, int(now.timestamp()))
        try:
            addresses = check(target.host, self.resolve(target.host, target.port), webhook.allow)
            return Outcome(self._exchange(target, addresses, head + body))
        except AddressRefused as error:
            return Outcome(None, f"refused: {error}"[:MAX_ERROR_CHARACTERS], is_final=True)
        except (Unanswered, OSError, UnicodeError) as error:
            return Outcome(None, _reason(error)[:MAX_ERROR_CHARACTERS])

    def _exchange(self, target: Target, addresses: Sequence[str], request: bytes) -> int:
        deadline = self.monotonic() + TOTAL_SECONDS
        with self._connect(target, addresses) as plain:
            self._limit(plain, deadline)
            if target.scheme == "http":
                return self._ask(plain, request, deadline)
            with self.tls.wrap_socket(plain, server_hostname=target.host.rstrip(".")) as private:
                return self._ask(private, request, deadline)

    def _connect(self, target: Target, addresses: Sequence[str]) -> socket.socket:
        deadline = self.monotonic() + CONNECT_SECONDS
        failure: OSError = TimeoutError()
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._limit(connection, deadline)
                connection.connect((address, target.port))
                return connection
            except OSError as error:
                connection.close()
                failure = error
        raise Unanswered(f"no connection: {_reason(failure)}")

    def _ask(self, connection: socket.socket, request: bytes, deadline: float) -> int:
        connection.sendall(request)
        received = b""
        while len(received) < MAX_ANSWER_BYTES:
            self._limit(connection, deadline)
            piece = connection.recv(MAX_ANSWER_BYTES - len(received))
            if not piece:
                break
            received += piece
            if (code := final_status(received)) is not None:
                return code
        raise Unanswered("no answer in HTTP/1.1")

    def _limit(self, connection: socket.socket, deadline: float) -> None:
        left = deadline - self.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)


def request_head(webhook: Webhook, delivery_id: str, body: bytes, at: int) -> bytes:
    """The request up to its body; with a secret, the attempt is signed as of `at`, in seconds
    since 1970.
    """
    target = webhook.target
    signed = webhook.secret and f"{signature.HEADER}: {signature.sign(webhook.secret, body, at)}"
    lines = (
        f"POST {target.path} HTTP/1.1",
        f"Host: {_host(target)}",
        "User-Agent: metaopt",
        f"Content-Type: {media_type(webhook.format)}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"Metaopt-Delivery: {delivery_id}",
        *([signed] if signed else []),
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


def final_status(received: bytes) -> int | None:
    """The status of an answer, passing over 1xx ones; None while it is not there yet.

    Raises:
        Unanswered: This is not HTTP/1.1.
    """
    while b"\n" in received:
        match = _STATUS_LINE.match(received)
        if match is None:
            raise Unanswered("no answer in HTTP/1.1")
        if match[1] >= b"200":
            return int(match[1])
        received = received.partition(b"\r\n\r\n")[2]
    return None


def _host(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    default = HTTPS_PORT if target.scheme == "https" else HTTP_PORT
    return host if target.port == default else f"{host}:{target.port}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {CONNECT_SECONDS:g} s to connect, {TOTAL_SECONDS:g} s in all"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason}"
    if isinstance(error, socket.gaierror):
        return f"the host's name is not resolved: {error.strerror}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)
