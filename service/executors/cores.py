"""Cores: how many this process may keep busy, and what says so.

    the machine's ─▶ those that it may run on (affinity) ─▶ what its control groups allow (quota)

A container that may use 2 of 64 cores sees all 64; the kernel takes the rest of its time away.
Every count of cores comes from here.  `METAOPT_SLOTS` is for who wants another number of workers,
so Python's own `PYTHON_CPU_COUNT` (3.13) is not asked: it would count on some versions alone.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class Cores(NamedTuple):
    """A number of cores, and why it is not all that the machine has."""

    number: int
    why: str | None = None


class _Mount(NamedTuple):
    """A mounted hierarchy of control groups.

    Args:
        controllers: Of version 1; version 2 has all of them in one hierarchy and none here.
        root: The group that is at the mount point: in a container often not the first one.
    """

    version: int
    controllers: frozenset[str]
    root: PurePosixPath
    point: Path


def usable_cores(root: Path = Path("/")) -> Cores:
    """Return how many cores this process may keep busy, at least one.

    Part of a core counts as one: two workers on one and a half are slowed, and use all of it.

    Args:
        root: Where `/proc` and the mount points are found.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    quota = min(_quotas(root), default=math.inf)
    if quota < allowed:
        count = max(1, math.ceil(quota))
        return Cores(count, f"the control group's quota is {quota:g} of {machine} cores")
    if allowed < machine:
        return Cores(allowed, f"this process may run on {allowed} of {machine} cores")
    return Cores(allowed)


def own_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """Version and directory of each control group around this process, the innermost first.

    Args:
        controller: "cpu" or "memory": of version 1, where each may have a hierarchy of its own.
        root: Where `/proc` and the mount points are found.
    """
    own = _own_groups(_read(root / "proc/self/cgroup"))
    for mount in _mounts(_read(root / "proc/self/mountinfo")):
        group = own.get("" if mount.version == 2 else controller)
        if group is None or (mount.version == 1 and controller not in mount.controllers):
            continue
        for directory in _directories(mount, group, root):
            yield mount.version, directory


def _quotas(root: Path) -> Iterator[float]:
    """The cores that each group around this process allows, where it has a limit."""
    for version, directory in own_groups("cpu", root):
        quota = _quota_2(directory) if version == 2 else _quota_1(directory)
        if quota is not None:
            yield quota


def _own_groups(text: str) -> dict[str, PurePosixPath]:
    """The group of this process in each hierarchy, by controller; "" is version 2.

    A line is `number:controllers:path`, as `4:cpu,cpuacct:/docker/4f2a` or `0::/`.
    """
    groups = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        groups.update(dict.fromkeys(controllers.split(","), PurePosixPath(path)))
    return groups


def _mounts(text: str) -> Iterator[_Mount]:
    """The mounted hierarchies of `/proc/self/mountinfo` (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.partition(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        mounted, point = map(_unescaped, fields.split()[3:5])
        controllers = frozenset(options.split()[-1].split(",")) if kind == "cgroup" else frozenset()
        version = 2 if kind == "cgroup2" else 1
        yield _Mount(version, controllers, PurePosixPath(mounted), Path(point))


def _directories(mount: _Mount, group: PurePosixPath, root: Path) -> Iterator[Path]:
    """The directories of a group and of all around it that are to be seen, the innermost first."""
    top = root / mount.point.relative_to("/")
    # Another namespace's path is not below what is mounted here: then the mount point is ours.
    below = group.relative_to(mount.root) if group.is_relative_to(mount.root) else PurePosixPath()
    if ".." in below.parts:
        below = PurePosixPath()
    for part in (below, *below.parents):
        yield top / part


def _quota_2(directory: Path) -> float | None:
    """`cpu.max` is `quota period` in microseconds, or `max period`."""
    return _ratio(*_read(directory / "cpu.max").split()[:2])


def _quota_1(directory: Path) -> float | None:
    """Version 1 has a file for each; a quota of -1 is none."""
    return _ratio(
        _read(directory / "cpu.cfs_quota_us").strip(),
        _read(directory / "cpu.cfs_period_us").strip(),
    )


def _ratio(quota: str = "", period: str = "") -> float | None:
    if not (quota.isdigit() and period.isdigit() and int(quota) and int(period)):
        return None
    return int(quota) / int(period)


def _unescaped(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
