"""Many connections at once on a real server: streams at its end, slow clients, hostile bodies.

Of each a small one here, and as many as are promised in `make night`.
"""

import asyncio
import re
import resource
import signal
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.cli.commands.server import GRACE_SECONDS
from service.db.engine import open_engine, transaction
from tests.fakes.rows import add_study
from tests.fakes.servers import ApiProcess
from tests.service.wire.parsing.test_hostile import JSON, YAML
from tests.waiting import PATIENCE, wait_until

STUDY = "a" * 32
PATH = "/api/v1/studies"
HEAD_SECONDS = BODY_SECONDS = 10
AT_ONCE = 16
MOST_MEGABYTES = 50
MOST_PROCESSOR_SECONDS = 0.05
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # connections do not depend on the kind of database


@pytest.fixture
def api(
    sqlite_url: str, make_tables: Callable[[str], None], tmp_path: Path
) -> Iterator[ApiProcess]:
    make_tables(sqlite_url)
    engine = open_engine(sqlite_url)
    with transaction(engine) as session:
        add_study(session, STUDY)
    engine.dispose()
    server = ApiProcess(sqlite_url, tmp_path / "data", METAOPT_STREAMS_PER_KEY="5000")
    yield server
    if server.process.poll() is None:
        server.kill()


def run(work: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(300):
            return await work

    return asyncio.run(bounded())


async def connect(api: ApiProcess, sent: str) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=2**21)
    writer.write(sent.encode())
    return reader, writer


def request(method: str, path: str, *headers: str) -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""])


async def answer(api: ApiProcess, kind: str, body: bytes, path: str = PATH) -> int:
    """Send a body on a connection of its own; return the status."""
    headers = (f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close")
    reader, writer = await connect(api, request("POST", path, *headers))
    try:
        writer.write(body)
        return int((await reader.read()).split()[1])
    finally:
        writer.close()


def processor_seconds(api: ApiProcess) -> float:
    """What it has used so far; a clock of its threads, not of ours."""
    threads = Path(f"/proc/{api.process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def megabytes(api: ApiProcess, of: str) -> float:
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    found = re.search(rf"{of}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize(
    ("streams", "patience"), [(200, PATIENCE), pytest.param(1000, 1.0, marks=pytest.mark.night)]
)
def test_it_ends_with_streams_open(api: ApiProcess, streams: int, patience: float) -> None:
    async def body() -> list[bytes]:
        asked = request("GET", f"{PATH}/{STUDY}/events")
        opened = [await connect(api, asked) for _ in range(streams)]
        for reader, _ in opened:
            await reader.readuntil(b"event: study_submitted")
        begun = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        rests = await asyncio.gather(*(reader.read() for reader, _ in opened))
        await asyncio.to_thread(api.process.wait, 60)
        seconds.append(time.monotonic() - begun)
        for _, writer in opened:
            writer.close()
        return rests

    seconds: list[float] = []
    rests = run(body())
    assert {rest[-5:] for rest in rests} == {b"0\r\n\r\n"}  # each at its end, none was cut off
    assert api.process.returncode == 0
    assert seconds[0] < patience * (GRACE_SECONDS + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clients", "requests", "percentile"),
    [(100, 30, 50), pytest.param(500, 60, 95, marks=pytest.mark.night)],
)
def test_slow_clients_are_cut_off_and_slow_down_nobody(
    api: ApiProcess, clients: int, requests: int, percentile: int
) -> None:
    """By day other tests run beside it; whoever had to wait for slow clients would do so always."""

    head = request("GET", PATH)
    body = request("POST", PATH, "Content-Type: application/json", "Content-Length: 100000")
    ended: dict[str, list[tuple[float, bytes]]] = {"head": [], "body": []}

    async def drip(kind: str) -> None:
        begun = time.monotonic()
        reader, writer = await connect(api, "G" if kind == "head" else body + "{")
        reading = asyncio.create_task(reader.read())
        for byte in head[1:] if kind == "head" else " " * 100:
            done, _ = await asyncio.wait([reading], timeout=1)
            if done:
                break
            writer.write(byte.encode())
        try:
            got = await reading
        except ConnectionError:
            got = b""
        ended[kind].append((time.monotonic() - begun, got))
        writer.close()

    async def healthy(times: int) -> float:
        taken = []
        for _ in range(times):
            begun = time.monotonic()
            reader, writer = await connect(api, request("GET", PATH, "Connection: close"))
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            taken.append(time.monotonic() - begun)
            await asyncio.sleep(0.02)
        return statistics.quantiles(taken, n=100)[percentile - 1]

    async def body_of_test() -> tuple[float, float]:
        await healthy(5)
        before = await healthy(requests)
        slow = [asyncio.create_task(drip(kind)) for kind in ("head", "body") * (clients // 2)]
        await asyncio.sleep(1.5)  # all are connected, and drip
        meanwhile = await healthy(requests)
        assert not any(task.done() for task in slow)
        await asyncio.gather(*slow)
        return before, meanwhile

    before, meanwhile = run(body_of_test())
    assert meanwhile < 2 * before + 0.1, (before, meanwhile)
    for kind, most in (("head", HEAD_SECONDS), ("body", BODY_SECONDS)):
        assert len(ended[kind]) == clients // 2
        assert all(most - 1 < seconds < PATIENCE * most for seconds, _ in ended[kind]), kind
    assert {got for _, got in ended["head"]} == {b""}
    assert {got[9:12] for _, got in ended["body"]} == {b"408"}  # also of who has just sent a byte


@pytest.mark.slow
@pytest.mark.parametrize("requests", [100, pytest.param(1000, marks=pytest.mark.night)])
def test_the_worst_requests_cost_little(api: ApiProcess, requests: int) -> None:
    """Each is answered, with little processor time and memory, also where there is no more."""
    worst = [("application/yaml", body) for body in YAML.values()]
    worst += [("application/json", body) for body in JSON.values()]
    statuses: Counter[int] = Counter()

    async def alone() -> dict[int, float]:
        """What each costs by itself, the second time: the first time something may be loaded."""
        costs = {}
        for number, (kind, body) in enumerate(worst):
            await answer(api, kind, body)
            before = processor_seconds(api)
            statuses[await answer(api, kind, body)] += 1
            costs[number] = processor_seconds(api) - before
        return costs

    async def together() -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with turns:
                kind, body = worst[number % len(worst)]
                path = PATH if number % 2 else f"{PATH}/preview"
                statuses[await answer(api, kind, body, path)] += 1

        await asyncio.gather(*(one(number) for number in range(requests)))

    run(answer(api, "application/json", b"{}"))  # what a first refusal loads
    before = megabytes(api, "VmRSS")
    room = int(megabytes(api, "VmSize") + 40 * 8 + 2 * 64 + 2 * MOST_MEGABYTES) * 2**20
    resource.prlimit(api.process.pid, resource.RLIMIT_AS, (room, room))  # threads and arenas, too
    costs = run(alone())
    run(together())
    assert all(400 <= status < 500 for status in statuses), statuses
    assert statuses.total() == requests + len(worst)
    assert megabytes(api, "VmHWM") - before < MOST_MEGABYTES
    dearest = max(costs, key=costs.__getitem__)
    assert costs[dearest] < PATIENCE * MOST_PROCESSOR_SECONDS, (
        costs[dearest],
        worst[dearest][1][:40],
    )
    wait_until(lambda: api.send("GET", PATH).status == 200, 10, what="an answer")
