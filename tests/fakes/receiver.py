"""A receiver of webhooks on loopback: a real server that records what it gets."""

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from service.notifications.address import parse_allow, parse_target
from service.notifications.config import Webhook

PEM = Path(__file__).with_name("receiver.pem")
TLS_NAME = "receiver.test"  # in its certificate; it resolves nowhere
SECRET = b"s3cret-that-nobody-may-see"
PATH = "/hook/path-t0ken"


class Got(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Answers with `codes` in turn, then with the last of them for ever, or as `judge` says."""

    daemon_threads = True

    def __init__(self, codes: Sequence[int], headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes, self.headers = list(codes), headers
        self.judge: Callable[[Got], int] | None = None
        self.got: list[Got] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def webhook(self, host: str = "127.0.0.1", scheme: str = "http", **changes: Any) -> Webhook:
        """Return a webhook that points here, its host allow-listed."""
        allow = changes.pop("allow", [host])
        opened = parse_allow(allow)
        row = {
            "name": "ci",
            "target": parse_target(f"{scheme}://{host}:{self.port}{PATH}?key=qu3ry", opened),
            "events": ("study_completed", "study_failed"),
            "allow": opened,
            "secret": SECRET,
            **changes,
        }
        return Webhook(**row)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        got = Got(self.path, dict(self.headers), body)
        self.server.got.append(got)
        self.server.may_answer.wait()
        self.send_response(self._code(got))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _code(self, got: Got) -> int:
        codes = self.server.codes
        if self.server.judge is not None:
            return self.server.judge(got)
        return codes.pop(0) if len(codes) > 1 else codes[0]

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def receiving(
    *codes: int, tls: bool = False, headers: dict[str, str] | None = None
) -> Iterator[Receiver]:
    """Yield a receiver that answers with these codes, 200 by default."""
    server = Receiver(codes or (200,), headers or {})
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def trusting() -> ssl.SSLContext:
    """Return what trusts the receiver's certificate, and no other."""
    return ssl.create_default_context(cafile=PEM)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_seconds(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
