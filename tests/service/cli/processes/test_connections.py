"""Connections that keep the server waiting: each is cut off, and the others are answered."""

import asyncio
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
    """Answer with much, or with little, or refuse a body once it has begun."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/refused":
        await receive()
        closing = [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": closing})
        await send({"type": "http.response.body", "body": b"too large"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await receive()
    gone = asyncio.create_task(receive())  # nothing else tells that the client went away
    while scope["path"] == "/endless" and not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)
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
        assert not thread.is_alive()


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


@pytest.mark.parametrize("pause", [0, 0.01])
def test_whoever_still_sends_reads_why_it_was_refused(server: uvicorn.Server, pause: float) -> None:
    with connected(server) as eager:
        eager.sendall(b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(20):
            eager.sendall(b"x" * (1 << 16))
            time.sleep(pause)
        assert eager.recv(1000).startswith(b"HTTP/1.1 413")


def test_so_does_one_that_speaks_no_http(server: uvicorn.Server) -> None:
    with connected(server) as stranger:
        for _ in range(20):
            stranger.sendall(b"\x16\x03\x01" * (1 << 14))
            time.sleep(0.01)
        assert stranger.recv(1000).startswith(b"HTTP/1.1 400")


def test_but_not_for_long(server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.3)
    with connected(server) as endless:
        endless.sendall(b"POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                endless.sendall(b"x")
                time.sleep(0.01)
        wait_until(lambda: not server.server_state.connections, what="its end")
