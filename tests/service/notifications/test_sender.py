"""Sending: to the checked address and nowhere else, signed, with every bad answer survived."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from service.notifications.address import Target, parse_allow
from service.notifications.config import Webhook
from service.notifications.sender import TOTAL_SECONDS, Sender, Unanswered, final_status
from service.notifications.signature import verify
from tests.fakes.receiver import PATH, SECRET, TLS_NAME, receiving, trusting
from tests.fakes.rows import NOON

BODY = json.dumps({"event": "test", "name": "Größe"}, ensure_ascii=False).encode()


def at_loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


class Audit:
    """Which names the process resolves and where it connects, as the interpreter itself tells."""

    def __init__(self) -> None:
        self.resolved: list[Any] = []
        self.connected: list[Any] = []
        self._thread: int | None = None
        sys.addaudithook(self._hear)

    @contextmanager
    def listening(self) -> Iterator["Audit"]:
        self._thread = threading.get_ident()
        yield self
        self._thread = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._thread is None or self._thread != threading.get_ident():
            return
        if event == "socket.getaddrinfo":
            self.resolved.append(arguments[0])
        elif event == "socket.connect":
            self.connected.append(arguments[1])


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[Webhook]:
    """Yield a webhook for a server that does what it likes with one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                try:
                    serve(connection)
                except OSError:
                    pass  # the sender has had enough

        thread = threading.Thread(target=accept)
        thread.start()
        port = listener.getsockname()[1]
        target = Target("http", "127.0.0.1", port, "/")
        yield Webhook("ci", target, ("study_failed",), parse_allow(["127.0.0.1"]), SECRET)
        thread.join()


def test_a_request_is_signed_and_says_what_it_is() -> None:
    with receiving(204) as receiver:
        outcome = Sender().send(receiver.webhook(), "d" * 32, BODY, NOON)
    (got,) = receiver.got
    assert outcome == (204, None, False)
    assert (got.path, got.body) == (f"{PATH}?key=qu3ry", BODY)
    assert got.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Metaopt-Delivery"] == "d" * 32
    assert verify(SECRET, BODY, got.headers["Metaopt-Signature"], now=NOON.timestamp())


def test_tls_proves_the_hosts_name_although_the_address_is_connected_to() -> None:
    with receiving(tls=True) as receiver:
        webhook = receiver.webhook(TLS_NAME, "https", allow=[TLS_NAME])
        sender = Sender(resolve=at_loopback, tls=trusting())
        assert sender.send(webhook, "d", BODY, NOON) == (200, None, False)
        other = receiver.webhook("other.test", "https", allow=["other.test"])
        outcome = sender.send(other, "d", BODY, NOON)
        assert outcome.status_code is None and not outcome.is_final
        assert "certificate is not trusted: Hostname mismatch" in str(outcome.error)
        untrusting = Sender(resolve=at_loopback).send(webhook, "d", BODY, NOON)
        assert "certificate is not trusted: self" in str(untrusting.error)
    assert len(receiver.got) == 1
    assert receiver.got[0].headers["Host"] == f"{TLS_NAME}:{receiver.port}"


def test_a_name_is_resolved_once_and_the_checked_address_connected_to() -> None:
    answers = [["127.0.0.1"], ["127.0.0.3"]]  # only the first is one that is opened
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    with receiving() as receiver, socket.create_server(("127.0.0.3", receiver.port)) as sentinel:
        target = Target("http", "rebinding.test", receiver.port, "/")
        allow = parse_allow(["127.0.0.1"])
        webhook = Webhook("ci", target, ("study_failed",), allow, SECRET)
        sender = Sender(resolve=rebinding)
        with Audit().listening() as audit:
            assert sender.send(webhook, "d", BODY, NOON).status_code == 200
        assert asked == ["rebinding.test"] and len(receiver.got) == 1
        assert audit.connected == [("127.0.0.1", receiver.port)] and audit.resolved == []
        with Audit().listening() as audit:
            second = sender.send(webhook, "d", BODY, NOON)
        assert second.is_final and "loopback" in str(second.error)
        assert len(asked) == 2 and audit.connected == audit.resolved == []
        sentinel.setblocking(False)
        with pytest.raises(BlockingIOError):
            sentinel.accept()


def test_a_redirect_is_not_followed() -> None:
    for code in (301, 302, 303, 307, 308):
        with receiving() as sentinel:
            leads = {"Location": f"http://127.0.0.1:{sentinel.port}/"}
            with receiving(code, headers=leads) as receiver:
                outcome = Sender().send(receiver.webhook(), "d", BODY, NOON)
            assert outcome.status_code == code
            assert (len(receiver.got), sentinel.got) == (1, [])


def test_nobody_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    target = Target("http", "127.0.0.1", port, "/")
    webhook = Webhook("ci", target, ("study_failed",), parse_allow(["127.0.0.1"]), SECRET)
    outcome = Sender().send(webhook, "d", BODY, NOON)
    assert outcome == (None, "no connection: Connection refused", False)


def test_a_second_address_is_tried_where_the_first_does_not_answer() -> None:
    with receiving() as receiver:
        sender = Sender(resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
        webhook = receiver.webhook("hooks.intra")
        assert sender.send(webhook, "d", BODY, NOON).status_code == 200


def test_a_name_that_is_not_resolved_is_no_answer() -> None:
    def failing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with receiving() as receiver:
        outcome = Sender(resolve=failing).send(receiver.webhook(), "d", BODY, NOON)
    assert outcome == (None, "the host's name is not resolved: Name or service not known", False)


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 20\r\n", b"HTTP/1.1 2000 x\r\n", b"x" * 9000]
)
def test_what_is_not_http_is_no_answer(answer: bytes) -> None:
    with raw_server(lambda connection: connection.sendall(answer)) as webhook:
        outcome = Sender().send(webhook, "d", BODY, NOON)
    assert outcome == (None, "no answer in HTTP/1.1", False)


def test_an_answer_is_read_no_further_than_its_status() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with raw_server(endless) as webhook:
        assert Sender().send(webhook, "d", BODY, NOON) == (200, None, False)


def test_a_receiver_that_drips_is_left_after_ten_seconds() -> None:
    seconds = iter([0, 0, 0, 0, 1, TOTAL_SECONDS + 1])  # one recv, and time is up

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"H")
        connection.recv(1)  # until the sender has gone

    with raw_server(drip) as webhook:
        outcome = Sender(monotonic=lambda: next(seconds)).send(webhook, "d", BODY, NOON)
    assert outcome == (None, "nothing within 5 s to connect, 10 s in all", False)


def test_a_receiver_that_is_silent_is_left_when_the_time_is_up() -> None:
    seconds = iter([0, 0, 0, 0, TOTAL_SECONDS - 0.05])

    def silent(connection: socket.socket) -> None:
        connection.recv(1)

    with raw_server(silent) as webhook:
        outcome = Sender(monotonic=lambda: next(seconds)).send(webhook, "d", BODY, NOON)
    assert outcome == (None, "nothing within 5 s to connect, 10 s in all", False)


def test_interim_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert final_status(early) is None
    assert final_status(early + b"HTTP/1.1 20") is None
    assert final_status(early + b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204\r\n") == 204
    with pytest.raises(Unanswered):
        final_status(b"HTTP/2 200\r\n")
