"""Every wait in `service` and `metaopt` has a bound, or a reason that is written here.

What waits is found in the syntax tree: calls that wait for another process, thread, socket or lock
and name no time.  docs/adr/0029 and 0030 list those that do name one; what a statement of a
database may take is the connection's (`service.db.connections.deadlines`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import metaopt
import service

ROOT = Path(service.__file__).parents[1]
PACKAGES = [Path(package.__file__).parent for package in (service, metaopt)]

WITHOUT_ARGUMENTS = {"wait", "join", "get", "result", "exception", "acquire", "read", "readline"}
"""Methods that wait for ever if called without an argument (`text.join(parts)` has one)."""

ALWAYS = {
    "recv", "recv_into", "recv_bytes", "accept", "communicate", "connect", "waitpid", "flock",
    "lockf", "input", "as_completed", "map", "sendall", "wait", "getaddrinfo",
}  # fmt: skip
"""Functions and methods that wait whatever they are given, unless a time is among it."""

TIMES = {"timeout", "seconds", "patience", "blocking"}
"""Arguments by name that bound a wait."""

MODULES = {
    **dict.fromkeys(["run", "call", "check_call", "check_output", "getoutput"], "subprocess"),
    "select": "select",
}
"""Of these names only that of this module waits; others may mean anything."""

BARE = {"map", "connect"}
"""Functions that wait for nobody: Python's `map`, and our commands' `connect`."""

BOUNDED_ELSEWHERE = {
    ("metaopt/data/whole.py", "flock"): "with LOCK_NB, again and again for `seconds`",
    ("service/cli/commands/demo.py", "wait"): "for its end after SIGKILL",
    ("service/cli/processes/in_process.py", "join"): "of a drain, which has a bound",
    ("service/client/http.py", "read"): "the client's timeout",
    ("service/dashboard/mount.py", "shutdown"): "threads whose statements have deadlines",
    ("service/db/connections/postgres.py", "connect"): "connect_timeout, `_on_tcp`",
    ("service/dispatcher/search/background.py", "shutdown"): "who looks sees the flag at each step",
    ("service/dispatcher/search/background.py", "result"): "of a future that is done",
    ("service/dispatcher/slots.py", "result"): "of a future that is done",
    ("service/dispatcher/slots.py", "exception"): "of a future that is done",
    ("service/api/streaming/feeds.py", "result"): "of a task that is done",
    ("service/api/streaming/feeds.py", "wait"): "a task of the loop, cancelled at its end",
    ("service/blobs/objects.py", "map"): "each request has 60 s, and is tried again for as long",
    ("service/executors/channel.py", "sendall"): "the socket has a timeout: `send_seconds`",
    ("service/executors/channel.py", "recv_into"): "after `wait` has said that something is there",
    ("service/executors/compiling/compiler.py", "flock"): "with LOCK_NB",
    ("service/executors/scratch.py", "flock"): "with LOCK_NB",
    ("service/executors/slots.py", "map"): "each proof has PROOF_SECONDS",
    ("service/executors/plugins.py", "map"): "each description has DESCRIBE_SECONDS",
    ("service/executors/local.py", "join"): "of the slot's thread, `_SlotThread.join`: 10 s",
    ("service/mirror/process.py", "join"): "after SIGKILL of what its thread waits for",
    ("service/notifications/sender.py", "connect"): "the socket has a timeout: `_limit`",
    ("service/notifications/sender.py", "sendall"): "the socket has a timeout: `_limit`",
    ("service/notifications/sender.py", "recv"): "the socket has a timeout: `_limit`",
    ("service/notifications/address.py", "getaddrinfo"): "the resolver's own, in a thread that "
    "nobody waits for longer than two seconds",
}

OF_FILES = {
    ("metaopt/data/readers/csv_file.py", "readline"),
    ("metaopt/data/readers/pixels.py", "read"),
    ("metaopt/population/tensor_file.py", "read"),
    ("service/backup/backup.py", "connect"),  # a database of its own
    ("service/db/connections/allowance.py", "get"),  # a context variable
    ("service/db/engine.py", "connect"),  # an argument of a pool
    ("service/executors/plugins.py", "read"),
    ("service/operations/export.py", "read"),  # begins a look at the database
}
"""Files, and what only sounds like a wait."""

FOR_EVER = {
    ("service/cli/specs.py", "read"): "stdin, as the user asked",
    ("service/cli/processes/supervisor.py", "wait"): "a child's end: what its thread is for",
    ("service/executors/local.py", "get"): "the slot's thread, idle; `stop` puts a None",
    ("service/executors/worker.py", "get"): "a worker, idle; it ends with its parent",
    ("service/executors/compiling/compiler.py", "readline"): "its job, written by its parent at "
    "once; ends with it",
    ("service/executors/compiling/compiler.py", "read"): "a thread that waits for its parent's end",
    ("service/mirror/__main__.py", "readline"): "a thread that waits for its parent's word",
    ("service/mirror/__main__.py", "read"): "and then for its parent's end",
}


def waits(source: str) -> Iterator[str]:
    """Yield the names of calls that may wait for ever."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if any(keyword.arg in TIMES for keyword in node.keywords):
            continue
        given = bool(node.args or node.keywords)
        of = function.value if isinstance(function, ast.Attribute) else None
        module = of.id if isinstance(of, ast.Name) else ""
        if name in MODULES:
            if module == MODULES[name]:
                yield name
        elif name in ALWAYS:
            if not is_told(name, bare=of is None, given=given):
                yield name
        elif name in WITHOUT_ARGUMENTS and not given:
            yield name
        elif name == "shutdown" and not node.args and "wait" not in named(node):
            yield name


def is_told(name: str, *, bare: bool, given: bool) -> bool:
    """Whether one that may wait waits for nobody, or for as long as it is told."""
    if name == "wait":
        return given and not bare
    if name == "connect" and not given:
        return True  # an engine's, whose connections have deadlines
    return bare and name in BARE


def named(call: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in call.keywords}


def found() -> set[tuple[str, str]]:
    files = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
    assert len(files) > 400
    return {
        (file.relative_to(ROOT).as_posix(), name)
        for file in files
        for name in waits(file.read_text())
    }


def test_no_wait_is_without_a_bound_or_a_reason() -> None:
    assert found() - set(BOUNDED_ELSEWHERE) - OF_FILES - set(FOR_EVER) == set()


def test_no_reason_is_left_behind() -> None:
    assert (set(BOUNDED_ELSEWHERE) | OF_FILES | set(FOR_EVER)) - found() == set()


@pytest.mark.parametrize(
    "code",
    [
        "process.wait()", "thread.join()", "jobs.get()", "future.result()", "connection.recv(9)",
        "connection.recv_into(memory)",
        "lock.acquire()", "process.communicate(data)", "subprocess.run(['x'])", "wait([socket])",
        "fcntl.flock(file, fcntl.LOCK_EX)", "sys.stdin.read()", "pool.map(f, things)",
        "line.connect(address)", "select.select([line], [], [])", "threads.shutdown()",
    ],
)  # fmt: skip
def test_a_new_wait_is_found(code: str) -> None:
    assert list(waits(code))


@pytest.mark.parametrize(
    "code",
    [
        "process.wait(timeout=1)", "thread.join(1.0)", "jobs.get(timeout=1)", "mapping.get(key)",
        "','.join(parts)", "wait([socket], timeout=1.0)", "subprocess.run(x, timeout=3)",
        "lock.acquire(blocking=False)", "segments.run(order)", "select(table)", "map(f, things)",
        "engine.connect()", "threads.shutdown(wait=False)",
    ],
)  # fmt: skip
def test_what_is_bounded_is_not(code: str) -> None:
    assert not list(waits(code))
