"""Slots: which places for workers this machine has, found without touching CUDA.

One slot per GPU (per MIG instance where there are any), else one per CPU core.  A process that
has initialised CUDA cannot fork safely and holds memory on every device, so devices are listed
by `nvidia-smi`, not by torch.
"""

import os
import re
import subprocess
from collections.abc import Mapping

from service.executors.base import Slot

_DEVICE = re.compile(r"^(\s*)(?:GPU|MIG).*\(UUID: ((?:GPU|MIG)-[^)]+)\)")


def find_slots(environment: Mapping[str, str], count: int | None = None) -> list[Slot]:
    """Return `count` slots, by default one per GPU that may be used, else one per core."""
    listing = "" if _hidden(environment) else _list_devices()
    return make_slots(visible_devices(environment, listing), usable_cores(), count)


def make_slots(devices: list[str], cores: int, count: int | None = None) -> list[Slot]:
    """Return slots on `devices` in turn, or on the CPU where there is no device."""
    if not devices:
        return [Slot(name=f"cpu:{i}", device="cpu") for i in range(count or cores)]
    return [
        Slot(
            name=f"cuda:{i}",
            device="cuda",
            environment={"CUDA_VISIBLE_DEVICES": devices[i % len(devices)]},
        )
        for i in range(count or len(devices))
    ]


def visible_devices(environment: Mapping[str, str], listing: str) -> list[str]:
    """Values of CUDA_VISIBLE_DEVICES, one for each usable device.

    Args:
        environment: Its CUDA_VISIBLE_DEVICES, if any, is honoured: entries after the first
            negative one are ignored, as CUDA does.
        listing: Output of `nvidia-smi -L`; empty where there is no GPU.
    """
    listed = _parse(listing)
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if not listed or chosen is None:
        return listed
    devices = []
    for entry in (part.strip() for part in chosen.split(",")):
        if not entry or entry.startswith("-"):
            break
        devices.append(entry)
    return devices


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hidden(environment: Mapping[str, str]) -> bool:
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    return chosen is not None and (not chosen.strip() or chosen.strip().startswith("-"))


def _parse(listing: str) -> list[str]:
    devices: list[str] = []
    for line in listing.splitlines():
        match = _DEVICE.match(line)
        if match is None:
            continue
        is_instance = bool(match[1])
        if is_instance and devices and devices[-1].startswith("GPU-"):
            devices.pop()  # a GPU split into instances cannot be used whole
        devices.append(match[2])
    return devices


def _list_devices() -> str:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
