"""Whose fault an error in a segment is: the machine's, unless it is listed as the trial's own."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from metaopt.data.arrays import read
from metaopt.data.store import DataStore
from metaopt.errors import (
    CorruptCheckpoint,
    DamagedData,
    DataNotFound,
    InvalidData,
    InvalidTasks,
)
from service.executors.base import MachineFailed, OutOfMemory, SegmentFailed, StorageFailed
from service.executors.blame import EXHAUSTED, OF_STORAGE
from service.executors.local import _segment_error
from service.executors.worker import describe


def sort_of(error: Exception) -> type[SegmentFailed]:
    return type(_segment_error(describe(error)))


def raised(
    error: Exception, behind: Exception | None = None, *, by: str = "metaopt.x"
) -> Exception:
    """Return `error` as code of the module `by` raises it, perhaps from another one."""
    module = ModuleType(by)
    module.__dict__.update(error=error, behind=behind)
    if behind is None:
        code = "def fail():\n    raise error"
    else:
        code = "def fail():\n    try:\n        raise behind\n    except OSError:\n"
        code += "        raise error from None"
    exec(code, module.__dict__)
    try:
        module.__dict__["fail"]()
    except Exception as caught:
        assert caught.__traceback__ is not None
        return caught.with_traceback(caught.__traceback__.tb_next)  # without this function
    raise AssertionError


def test_whatever_the_system_says_is_the_machines_fault() -> None:
    for number in set(errno.errorcode) - {errno.ENOMEM}:
        sort = StorageFailed if number in OF_STORAGE else MachineFailed
        assert sort_of(raised(OSError(number, "said so"))) is sort, number


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shape"), ZeroDivisionError(), KeyError("x"), InvalidTasks("none"), TypeError()],
)
def test_what_computing_raises_is_the_trials_own(error: Exception) -> None:
    assert sort_of(error) is SegmentFailed
    assert describe(error)["invalid"] == isinstance(error, InvalidTasks)


@pytest.mark.parametrize("error", [ImportError("libx.so"), SafetensorError("IoError"), EOFError()])
def test_what_is_not_listed_is_the_machines_fault(error: Exception) -> None:
    assert sort_of(error) is MachineFailed


def test_a_refusal_is_the_machines_fault_if_the_machine_is_behind_it() -> None:
    refused = InvalidTasks("cannot be read")
    full = raised(refused, OSError(errno.EMFILE, "Too many open files"))
    assert sort_of(full) is MachineFailed and not describe(full)["invalid"]
    missing = raised(refused, FileNotFoundError(errno.ENOENT, "No such file"))
    assert sort_of(missing) is StorageFailed  # it was there when the study came
    damaged = raised(CorruptCheckpoint("cannot be read"), OSError(errno.EIO, "I/O error"))
    assert sort_of(damaged) is SegmentFailed  # of the file: the one before it may be whole


@pytest.mark.parametrize(
    ("number", "sort"),
    [
        (errno.ENOENT, SegmentFailed),
        (errno.EACCES, SegmentFailed),
        (errno.ECONNREFUSED, SegmentFailed),
        (errno.ENOSPC, StorageFailed),
        (errno.ESTALE, StorageFailed),
        (errno.EMFILE, MachineFailed),
    ],
)
def test_a_plugins_own_errors_are_its_trials(number: int, sort: type[SegmentFailed]) -> None:
    error = OSError(number, "said so")
    assert sort_of(raised(error, by="somebodys.tasks")) is sort


def test_a_plugins_own_kind_of_error_is_its_trials() -> None:
    class Odd(Exception):
        pass

    assert sort_of(raised(Odd(), by="somebodys.tasks")) is SegmentFailed


def test_too_little_memory_is_told_apart_whoever_says_so() -> None:
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**50, dtype=torch.uint8)
    with pytest.raises(MemoryError) as numpys:
        np.ones(2**50)
    for error in (torchs.value, numpys.value, OSError(errno.ENOMEM, "Cannot allocate memory")):
        assert sort_of(error) is OutOfMemory


def test_a_data_set_whose_disk_is_away_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    digest = f"sha256:{'0' * 64}"
    loads: list[tuple[type[Exception], Callable[[], object]]] = [
        (DataNotFound, lambda: DataStore(tmp_path / "nothing").load(digest)),
        (DataNotFound, lambda: DataStore(tmp_path / "nothing").load("a name")),
        (DamagedData, lambda: DataStore(tmp_path / "file").load(digest)),
        (InvalidData, lambda: read(tmp_path / "arrays.safetensors", "0" * 64)),
    ]
    for kind, load in loads:
        with pytest.raises(kind) as away:
            load()
        frames = away.value.__traceback__
        while frames is not None and not str(frames.tb_frame.f_globals["__name__"]).startswith(
            "metaopt"
        ):
            frames = frames.tb_next  # a worker's frames are not this test's
        assert sort_of(away.value.with_traceback(frames)) is StorageFailed


OUT_OF_PROCESSES = """
import errno, json, os, resource, subprocess, sys, threading
import torch
from service.executors.worker import describe
from types import ModuleType

plugin = ModuleType("somebodys.tasks")
exec('''
def thread():
    threading.Thread(target=print).start()

def process():
    subprocess.run(["/bin/true"])

def socket():
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

def nested(depth=100):  # torch goes on in another thread after sixty
    once = torch.ones(2, requires_grad=True)
    Nested.apply(once, depth).sum().backward()
''', vars(plugin))

class Nested(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, depth):
        ctx.depth = depth
        return x * 1

    @staticmethod
    def backward(ctx, gradient):
        if ctx.depth:
            with torch.enable_grad():
                plugin.nested(ctx.depth - 1)
        return gradient, None

vars(plugin).update(vars(sys.modules["__main__"]), __name__="somebodys.tasks")
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:  # whom no such limit holds
    os.setresuid(65534, 65534, 65534)
for fails in (plugin.thread, plugin.process, plugin.nested, plugin.socket):
    try:
        fails()
    except Exception as error:
        print(json.dumps(describe(error)))
"""


def test_a_machine_that_starts_no_thread_and_no_process_any_more_is_at_fault() -> None:
    command = [sys.executable, "-c", OUT_OF_PROCESSES]
    run = subprocess.run(command, capture_output=True, check=True, text=True, timeout=300)
    thread, process, torchs, socket = map(json.loads, run.stdout.splitlines())
    assert "can't start new thread" in thread["message"]
    assert "Resource temporarily unavailable" in torchs["message"]
    for told in (thread, process, torchs):
        assert type(_segment_error(told)) is MachineFailed and not told["invalid"]
    assert type(_segment_error(socket)) is SegmentFailed  # of the plug-in: no data yet


@pytest.mark.parametrize("number", sorted(EXHAUSTED - {errno.ENOMEM}))
def test_what_torch_says_of_an_exhausted_machine_is_no_trials_fault(number: int) -> None:
    said = f"unable to open shared memory object: {os.strerror(number)} ({number})"
    sort = StorageFailed if number in OF_STORAGE else MachineFailed
    assert sort_of(raised(RuntimeError(said))) is sort
    assert sort_of(raised(RuntimeError(said), by="somebodys.tasks")) is sort


def test_a_refusal_is_the_machines_fault_if_no_thread_could_be_started() -> None:
    try:
        raise InvalidTasks("cannot compute") from RuntimeError("can't start new thread")
    except InvalidTasks as error:
        assert sort_of(error) is MachineFailed
