"""Every wait in `service/executors` has a bound, or a reason that is written here.

What waits is found in the syntax tree: calls that wait for another process, thread, socket or lock
and name no time.  docs/adr/0029 lists those that do name one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import service.executors

ROOT = Path(service.executors.__file__).parent

WITHOUT_ARGUMENTS = {"wait", "join", "get", "result", "exception", "acquire", "read", "readline"}
"""Methods that wait for ever if called without an argument (`text.join(parts)` has one)."""

ALWAYS = {
    "recv", "recv_into", "recv_bytes", "accept", "communicate", "connect", "waitpid", "flock",
    "lockf", "input", "run", "call", "check_call", "check_output", "getoutput", "as_completed",
    "map", "select", "sendall", "wait",
}  # fmt: skip
"""Functions and methods that wait whatever they are given, unless a time is among it."""

TIMES = {"timeout", "seconds", "patience", "blocking"}
"""Arguments by name that bound a wait."""

MODULES = {"subprocess": {"run", "call", "check_call", "check_output", "getoutput"}}
"""Of these names only those of these modules wait; others may mean anything."""

BOUNDED_ELSEWHERE = {
    ("channel.py", "sendall"): "the socket has a timeout: `send_seconds`",
    ("channel.py", "recv_into"): "after `wait` has said that something is there",
    ("compiling/compiler.py", "flock"): "with LOCK_NB",
    ("scratch.py", "flock"): "with LOCK_NB",
    ("slots.py", "map"): "each proof has PROOF_SECONDS",
    ("plugins.py", "map"): "each description has DESCRIBE_SECONDS",
    ("cores.py", "map"): "Python's own `map`",
    ("compiling/probe.py", "map"): "Python's own `map`",
    ("compiling/records.py", "map"): "Python's own `map`",
    ("local.py", "join"): "of the slot's thread, `_SlotThread.join`: 10 s",
    ("plugins.py", "read"): "a temporary file",
}

FOR_EVER = {
    ("local.py", "get"): "the slot's thread, idle; `stop` puts a None",
    ("worker.py", "get"): "a worker, idle; it ends with its parent",
    ("compiling/compiler.py", "readline"): "its job, written by its parent at once; ends with it",
    ("compiling/compiler.py", "read"): "a thread that waits for its parent's end: what it is for",
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
        if name in MODULES["subprocess"]:
            if module == "subprocess":
                yield name
        elif name in ALWAYS:
            if name != "wait" or not given or isinstance(function, ast.Name):
                yield name
        elif name in WITHOUT_ARGUMENTS and not given:
            yield name


def found() -> set[tuple[str, str]]:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 20
    return {
        (file.relative_to(ROOT).as_posix(), name)
        for file in files
        for name in waits(file.read_text())
    }


def test_no_wait_is_without_a_bound_or_a_reason() -> None:
    assert found() - set(BOUNDED_ELSEWHERE) - set(FOR_EVER) == set()


def test_no_reason_is_left_behind() -> None:
    assert (set(BOUNDED_ELSEWHERE) | set(FOR_EVER)) - found() == set()


@pytest.mark.parametrize(
    "code",
    [
        "process.wait()", "thread.join()", "jobs.get()", "future.result()", "connection.recv(9)",
        "connection.recv_into(memory)",
        "lock.acquire()", "process.communicate(data)", "subprocess.run(['x'])", "wait([socket])",
        "fcntl.flock(file, fcntl.LOCK_EX)", "sys.stdin.read()", "pool.map(f, things)",
    ],
)  # fmt: skip
def test_a_new_wait_is_found(code: str) -> None:
    assert list(waits(code))


@pytest.mark.parametrize(
    "code",
    [
        "process.wait(timeout=1)", "thread.join(1.0)", "jobs.get(timeout=1)", "mapping.get(key)",
        "','.join(parts)", "wait([socket], timeout=1.0)", "subprocess.run(x, timeout=3)",
        "lock.acquire(blocking=False)", "segments.run(order)",
    ],
)  # fmt: skip
def test_what_is_bounded_is_not(code: str) -> None:
    assert not list(waits(code))
