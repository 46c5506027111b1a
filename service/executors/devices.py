"""Devices: which GPUs are listed here, and which of the listed ones cannot be meant.

    nvidia-smi ─▶ GPUs, or their MIG instances ─▶ those that CUDA_VISIBLE_DEVICES leaves

A process that has initialised CUDA cannot fork safely and holds memory on every device, so
devices are listed without CUDA.  That a device is listed does not mean that it works:
`service.executors.proof` finds that out.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from service.executors.answers import answer_of

LISTING_SECONDS = 20.0
VARIABLE = "CUDA_VISIBLE_DEVICES"

_LINE = re.compile(r"^(?P<text>\s*(?:GPU|MIG)\b.*?)\s*\(UUID: (?P<uuid>(?:GPU|MIG)-[^)]+)\)")
_MEMORY = re.compile(r"^\s*(?P<gpu>\d+)\s*,\s*(?P<mib>\d+)\s*$", re.M)
_PART = re.compile(r"\bMIG\b.*?\b\d+g\.(?P<gb>\d+)gb\b")
_UUID = re.compile(r"(?:GPU|MIG)-")
_NODE = re.compile(r"nvidia\d+")


class Device(NamedTuple):
    """A device as CUDA_VISIBLE_DEVICES names it, and as people do; and which GPU it is part of."""

    value: str
    name: str
    gpu: int = 0


class Broken(NamedTuple):
    """A device that is listed or asked for and does not work, and why."""

    name: str
    cause: str


class Listing(NamedTuple):
    """What is listed, and what of it cannot be used."""

    devices: list[Device]
    broken: list[Broken]


def list_devices(environment: Mapping[str, str], nodes: Path = Path("/dev")) -> Listing:
    """Return the devices of this machine that may be used.

    Args:
        environment: Its CUDA_VISIBLE_DEVICES, if any, is honoured; `nvidia-smi` is found by its
            PATH.
        nodes: Where the driver's device nodes are.  They count where `nvidia-smi` does not help:
            a container may have devices and not the tool.
    """
    if _hidden(environment):
        return Listing([], [])
    listed: list[Device] = []
    broken: list[Broken] = []
    try:
        listed = parse_listing(_nvidia_smi(environment))
    except FileNotFoundError:
        pass  # a machine without GPUs, most likely
    except (OSError, ValueError) as error:
        broken = [Broken("nvidia-smi", str(error))]
    if not listed:
        count = sum(1 for node in _names(nodes) if _NODE.fullmatch(node))
        listed = [Device(str(index), f"GPU {index}", index) for index in range(count)]
    chosen = visible_devices(environment, listed)
    return Listing(chosen.devices, broken + chosen.broken)


def memory_of(devices: Sequence[Device], environment: Mapping[str, str]) -> dict[str, int]:
    """The bytes of devices, by `value`, as far as `nvidia-smi` tells them.

    Of a part of a GPU (MIG) its name tells it: `1g.18gb` has 18 GB.
    """
    if not devices:
        return {}
    query = ["nvidia-smi", "--query-gpu=index,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = answer_of(query, environment, LISTING_SECONDS).out
    except OSError:
        told = ""
    whole = {int(m["gpu"]): int(m["mib"]) * 2**20 for m in _MEMORY.finditer(told)}
    found = {device.value: _memory_of_one(device, whole) for device in devices}
    return {value: size for value, size in found.items() if size is not None}


def _memory_of_one(device: Device, whole: Mapping[int, int]) -> int | None:
    part = _PART.search(device.name)
    return int(part["gb"]) * 10**9 if part else whole.get(device.gpu)


def may_have_devices(environment: Mapping[str, str], nodes: Path = Path("/dev")) -> bool:
    """Whether any device might be listed here, as far as that is known without a look at them."""
    has_nodes = any(_NODE.fullmatch(node) for node in _names(nodes))
    return has_nodes and not _hidden(environment)


def visible_devices(environment: Mapping[str, str], listed: Sequence[Device]) -> Listing:
    """Those of the listed devices that CUDA_VISIBLE_DEVICES leaves.

    Entries after the first negative one are ignored, as CUDA does.  What an entry can stand for
    is CUDA's affair, so only those are refused that stand for nothing whatever is there.
    """
    chosen = environment.get(VARIABLE)
    if chosen is None:
        return Listing(list(listed), [])
    devices: list[Device] = []
    broken: list[Broken] = []
    for entry in dict.fromkeys(part.strip() for part in chosen.split(",")):
        if not entry or entry.startswith("-"):
            break
        cause = _impossible(entry, listed)
        if cause is None:
            devices.append(Device(entry, _name(entry)))
        else:
            broken.append(Broken(_name(entry), cause))
    return Listing(devices, broken)


def parse_listing(text: str) -> list[Device]:
    """The devices of `nvidia-smi -L`; a GPU that is split is as many as it has instances."""
    devices: list[Device] = []
    gpu, gpu_name = -1, ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        words = " ".join(match["text"].split()).rstrip(":")
        if match["text"][0].isspace():
            if devices and devices[-1].value.startswith("GPU-"):
                devices.pop()  # a GPU split into instances cannot be used whole
            devices.append(Device(match["uuid"], f"{gpu_name}, {words}", gpu))
        else:
            gpu += 1
            gpu_name, _, model = words.partition(": ")
            devices.append(Device(match["uuid"], f"{gpu_name} ({model})", gpu))
    return devices


def _hidden(environment: Mapping[str, str]) -> bool:
    chosen = environment.get(VARIABLE)
    return chosen is not None and (not chosen.strip() or chosen.strip().startswith("-"))


def _impossible(entry: str, listed: Sequence[Device]) -> str | None:
    if _UUID.match(entry):
        return None  # a UUID may be shortened, and instances have older names too
    if not entry.isdecimal():
        return f"{VARIABLE} holds this word, which names no device"
    gpus = len({device.gpu for device in listed})
    if listed and int(entry) >= gpus:
        return f"{VARIABLE} names it, but there {_are(gpus)}, counted from 0"
    return None


def _name(entry: str) -> str:
    return f"device {entry}" if entry.isdecimal() else entry


def _are(gpus: int) -> str:
    return "is 1 GPU" if gpus == 1 else f"are {gpus} GPUs"


def _nvidia_smi(environment: Mapping[str, str]) -> str:
    """What it lists; raises ValueError with what it says instead."""
    code, out, err = answer_of(["nvidia-smi", "-L"], environment, LISTING_SECONDS)
    if code == 0 and (not out.strip() or parse_listing(out)):
        return out
    said = next((line.strip() for line in f"{out}\n{err}".splitlines() if line.strip()), "")
    raise ValueError(f"it lists no device: {said or f'it ended with {code}'}")


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir()]
    except OSError:
        return []
