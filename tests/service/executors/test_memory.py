"""A worker's memory: its limit, and what happens to what does not fit."""

import resource
from pathlib import Path

import pytest

from service.executors.base import OutOfMemory, Slot
from service.executors.local import LocalExecutor
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
