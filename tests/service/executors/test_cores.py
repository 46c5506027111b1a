"""How many cores may be kept busy: affinity, and the quota of the control groups around."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.executors.cores import usable_cores

MINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TWO = "25 1 0:22 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
ONE = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
MEMORY = "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


@pytest.fixture(autouse=True)
def _a_large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def machine(root: Path, groups: str, mounts: str, **files: str) -> Path:
    """Lay out what a process sees; `__` in the name of a file is a slash, `-` a dot."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(groups)
    (proc / "mountinfo").write_text(mounts)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("-", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_all_cores_count(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == (64, None)


def test_a_container_of_version_2_has_its_quota(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", TWO, **{"cpu-max": "200000 100000\n"})
    assert usable_cores(root) == (2, "the control group's quota is 2 of 64 cores")


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 64), ("150000 100000", 2), ("10000 100000", 1), ("9900000 100000", 64),
     ("", 64), ("200000", 64), ("0 0", 64)],
)  # fmt: skip
def test_part_of_a_core_counts_as_one_and_no_limit_as_none(
    tmp_path: Path, limit: str, cores: int
) -> None:
    root = machine(tmp_path, "0::/\n", TWO, **{"cpu-max": limit})
    assert usable_cores(root).number == cores


def test_the_smallest_of_nested_groups_counts(tmp_path: Path) -> None:
    files = {
        "a-slice__cpu-max": "300000 100000",
        "a-slice__b-service__cpu-max": "max 100000",
        "a-slice__b-service__c__cpu-max": "800000 100000",
    }
    root = machine(tmp_path, "0::/a.slice/b.service/c\n", TWO, **files)
    assert usable_cores(root).number == 3


def test_version_1_has_a_file_for_each_number(tmp_path: Path) -> None:
    files = {"cpu__cpu-cfs_quota_us": "400000\n", "cpu__cpu-cfs_period_us": "100000\n"}
    groups = "4:memory:/x\n3:cpu,cpuacct:/\n0::/\n"
    root = machine(tmp_path, groups, MEMORY + ONE, **files)
    assert usable_cores(root).number == 4


def test_no_quota_of_version_1_is_minus_one(tmp_path: Path) -> None:
    files = {"cpu__cpu-cfs_quota_us": "-1\n", "cpu__cpu-cfs_period_us": "100000\n"}
    assert usable_cores(machine(tmp_path, "3:cpu,cpuacct:/\n", ONE, **files)).number == 64


def test_a_container_without_a_namespace_of_its_own_is_found_below_its_mount(
    tmp_path: Path,
) -> None:
    mounts = ONE.replace("0:29 / ", "0:29 /docker/4f2a ")
    files = {
        "cpu__cpu-cfs_quota_us": "500000", "cpu__cpu-cfs_period_us": "100000",
        "cpu__inner__cpu-cfs_quota_us": "150000", "cpu__inner__cpu-cfs_period_us": "50000",
    }  # fmt: skip
    root = machine(tmp_path, "3:cpu:/docker/4f2a/inner\n", mounts, **files)
    assert usable_cores(root).number == 3


@pytest.mark.parametrize("group", ["/elsewhere/x", "/../../x"])
def test_a_path_of_another_namespace_means_the_mount_point(tmp_path: Path, group: str) -> None:
    mounts = TWO.replace("0:22 / ", "0:22 /mine ") if "else" in group else TWO
    root = machine(tmp_path, f"0::{group}\n", mounts, **{"cpu-max": "600000 100000"})
    assert usable_cores(root).number == 6


def test_a_hybrid_machine_has_the_smaller_of_both(tmp_path: Path) -> None:
    unified = TWO.replace("/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw")
    files = {
        "cpu__cpu-cfs_quota_us": "700000", "cpu__cpu-cfs_period_us": "100000",
        "unified__cpu-max": "500000 100000",
    }  # fmt: skip
    root = machine(tmp_path, "3:cpu:/\n0::/\n", ONE + unified, **files)
    assert usable_cores(root).number == 5


def test_affinity_is_told_where_it_is_the_smaller_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 9}, raising=False)
    root = machine(tmp_path, "0::/\n", TWO, **{"cpu-max": "800000 100000"})
    assert usable_cores(root) == (3, "this process may run on 3 of 64 cores")


def test_this_machine_is_counted_too() -> None:
    assert 1 <= usable_cores().number <= 64


def test_a_real_control_group_counts() -> None:
    group = Path("/sys/fs/cgroup/cpu/metaopt-test")
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError as error:
        pytest.skip(f"no control group of version 1 can be made here: {error.strerror}")
    if MINE < 2:
        pytest.skip("one core cannot be limited to one")
    program = (
        f"open('{group}/cgroup.procs', 'w').write('0');"
        "from service.executors.cores import usable_cores; print(usable_cores().number)"
    )
    try:
        said = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parents[3],
        )  # fmt: skip
    finally:
        group.rmdir()
    assert said.stdout.strip() == "1"
