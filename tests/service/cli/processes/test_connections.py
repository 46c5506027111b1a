"""Connections that keep the server waiting: each is cut off, and the others are answered."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from service.cli.processes import connections
from tests.waiting import wait_until


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with much, or with little."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http=connections.Connection, log_level="critical", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        wait_until(lambda: server.started, what="the server")
        yield server
        server.should_exit = True
        thread.join(30)


def connected(server: uvicorn.Server) -> socket.socket:
    address = server.servers[0].sockets[0].getsockname()
    connection = socket.create_connection(address)
    connection.settimeout(20)
    return connection


def is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_a_head_that_comes_byte_by_byte_is_cut_off(server: uvicorn.Server) -> None:
    with connected(server) as slow, connected(server) as silent, connected(server) as good:
        good.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert good.recv(1000).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                slow.sendall(b"G")
                good.settimeout(0.05)
                try:
                    good.recv(1000)
                except TimeoutError:
                    pass
        assert time.monotonic() - begun < 20
        assert is_cut(silent)


def test_a_client_that_reads_nothing_is_cut_off(server: uvicorn.Server) -> None:
    with connected(server) as stalled:
        stalled.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(server.server_state.connections) == 1, what="the connection")
        wait_until(lambda: not server.server_state.connections, what="its end")


def test_one_that_reads_slowly_is_not(server: uvicorn.Server) -> None:
    with connected(server) as slow:
        slow.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        begun, received = time.monotonic(), 0
        while time.monotonic() < begun + 2 or received < 2**24:
            received += len(slow.recv(1 << 20))
        assert len(server.server_state.connections) == 1
