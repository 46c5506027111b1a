"""A worker's memory: its limit, and what happens to what does not fit."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from service.executors.base import MachineFailed, OutOfMemory, SegmentFailed, Slot
from service.executors.local import LocalExecutor, _segment_error
from service.executors.memory import LEAST_BYTES, fair_share, usable_memory
from tests.service.executors.test_cores import MEMORY, TWO, machine
from tests.service.executors.test_local import order, report_of

LIMIT = 2**30
LARGE = {"kind": "mlp", "widths": [4096] * 8, "activation": "relu"}


def test_what_does_not_fit_is_out_of_memory_and_the_next_lanes_train(tmp_path: Path) -> None:
    executor = LocalExecutor([Slot("cpu:0", "cpu")], tmp_path, memory_bytes=LIMIT)
    try:
        executor.prepare("cpu:0").result(timeout=300)
        first = executor.worker_pids()["cpu:0"]
        assert resource.prlimit(first, resource.RLIMIT_DATA)[0] == LIMIT
        large = order(signature={**order().signature, "model": LARGE})
        with pytest.raises(OutOfMemory, match="memory"):
            report_of(executor.submit("cpu:0", large))
        assert len(report_of(executor.submit("cpu:0", order())).lanes) == 2
        assert executor.worker_pids()["cpu:0"] != first  # whose heap is in pieces
    finally:
        executor.close()


def test_what_the_limit_allows_and_the_host_refuses_is_the_machines_fault(tmp_path: Path) -> None:
    executor = LocalExecutor([Slot("cpu:0", "cpu")], tmp_path, memory_bytes=8 * LIMIT)
    try:
        report_of(executor.submit("cpu:0", order()))
        first = executor.worker_pids()["cpu:0"]
        size = int(Path(f"/proc/{first}/statm").read_text().split()[0]) * resource.getpagesize()
        most = size + 2**25  # as a host does that commits no more than it has
        resource.prlimit(first, resource.RLIMIT_AS, (most, most))
        large = order(signature={**order().signature, "model": LARGE})
        with pytest.raises(MachineFailed, match="you tried to allocate"):
            report_of(executor.submit("cpu:0", large))
        assert len(report_of(executor.submit("cpu:0", order())).lanes) == 2
        assert executor.worker_pids()["cpu:0"] != first  # it gives back what it has
    finally:
        executor.close()


REFUSED = """
import json, resource, sys
import numpy, torch
from metaopt.errors import InvalidModel
from service.executors.memory import limit_memory
from service.executors.worker import describe

GIB = 2**30
limit, room = map(float, sys.argv[1:])
if limit:
    limit_memory(int(limit * GIB))
if room:
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + int(room * GIB), resource.RLIM_INFINITY))

def torchs():
    torch.empty(2 * GIB, dtype=torch.uint8)

def numpys():
    numpy.empty(2 * GIB, dtype=numpy.uint8)

def pythons():
    bytearray(2 * GIB)

def behind():
    try:
        torchs()
    except RuntimeError as error:
        raise InvalidModel("cannot be made") from error

def cpps():
    raise RuntimeError("std::bad_alloc")

for fails in (torchs, numpys, pythons, behind, cpps):
    try:
        fails()
    except Exception as error:
        print(json.dumps(describe(error)))
"""


@pytest.mark.parametrize(
    ("limit", "room", "sort"),
    [
        (8, 0.1, MachineFailed),  # the host's: it would have fitted
        (1.5, 0, OutOfMemory),  # its own
        (1.5, 0.1, None),  # both: its own, where it is known how much it was
        (2.2, 0.1, None),  # near the limit: likewise
        (0, 0.1, OutOfMemory),  # without a limit nobody can tell
    ],
)
def test_who_refused_memory_is_told_by_what_is_taken_and_asked_for(
    limit: float, room: float, sort: type[SegmentFailed] | None
) -> None:
    command = [sys.executable, "-c", REFUSED, str(limit), str(room)]
    run = subprocess.run(command, capture_output=True, check=True, text=True, timeout=300)
    told = [json.loads(line) for line in run.stdout.splitlines()]
    known, unknown = sort or OutOfMemory, sort or MachineFailed
    sorts = [type(_segment_error(one)) for one in told]
    assert sorts == [known, known, unknown, known, unknown]
    assert not any(one["invalid"] for one in told)


def test_a_share_is_of_what_the_control_groups_allow_and_never_too_small(tmp_path: Path) -> None:
    whole = usable_memory(tmp_path / "none")
    second = machine(tmp_path / "2", "0::/\n", TWO, **{"memory-max": str(10 * LIMIT)})
    assert usable_memory(second) == min(whole, 10 * LIMIT)
    assert fair_share(2, second) == min(int(0.8 * usable_memory(second)) // 2, 4 * LIMIT)
    assert fair_share(64, second) == LEAST_BYTES
    none = machine(tmp_path / "max", "0::/\n", TWO, **{"memory-max": "max\n"})
    assert usable_memory(none) == whole
    first = {"memory__memory-limit_in_bytes": str(3 * LIMIT)}
    assert usable_memory(machine(tmp_path / "1", "4:memory:/\n", MEMORY, **first)) == 3 * LIMIT
