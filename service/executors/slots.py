"""Slots: which places for workers this machine has.  This is the one place that decides it.

    listed devices ──prove──▶ those that work ─▶ a slot for each
                        │
                        └──▶ none: a slot for each core, or, where GPUs were asked for, a refusal

What does not work is told with the slots, so that the log, the server's readiness, its page and
`metaopt doctor` say the same (`service.wire.words.slots`).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from service.errors import NoDeviceWorks
from service.executors.base import Slot
from service.executors.cores import Cores, usable_cores
from service.executors.devices import Broken, Device, list_devices, memory_of
from service.executors.proof import prove
from service.wire.views.slots import BrokenView, SlotsView, SlotView
from service.wire.words.slots import broken_in_words

Wanted = Literal["auto", "cuda", "cpu"]
Prove = Callable[[Slot, Mapping[str, str]], str | None]


@dataclass(frozen=True)
class Found:
    """The slots of a machine.

    Args:
        slots: At least one.
        broken: Devices that are listed or asked for, and do not work.
        cores: How many there are, and why not more, where the slots are cores.
        worker_bytes: Most private memory of a worker on a core, if that is known.
    """

    slots: list[Slot]
    broken: list[Broken] = field(default_factory=list)
    cores: Cores | None = None
    worker_bytes: int | None = None


def find_slots(
    environment: Mapping[str, str],
    count: int | None = None,
    wanted: Wanted = "auto",
    *,
    prove: Prove = prove,
) -> Found:
    """Return `count` slots, by default one per device that works, else one per core.

    Args:
        environment: Of the process that starts the workers.
        count: Slots; more than there are devices share them in turn.
        wanted: Devices if any works (auto), devices or nothing (cuda), or cores.
        prove: Says why a slot's device does not work.

    Raises:
        NoDeviceWorks: Devices are wanted, and none works.
    """
    cores = usable_cores()
    if wanted == "cpu":
        return Found(cpu_slots(count or cores.number), cores=cores)
    listing = list_devices(environment)
    working, failed = _proven(listing.devices, environment, prove)
    broken = listing.broken + failed
    if working:
        memory = memory_of(working, environment)
        return Found(device_slots(working, cores.number, count, memory), broken)
    found = Found(cpu_slots(count or cores.number), broken, cores)
    if wanted == "cuda":
        raise NoDeviceWorks(_refusal(found))
    return found


def cpu_slots(count: int) -> list[Slot]:
    """Slots on the cores."""
    return [Slot(f"cpu:{index}", "cpu", place="CPU") for index in range(count)]


def device_slots(
    devices: Sequence[Device],
    cores: int,
    count: int | None = None,
    memory: Mapping[str, int] | None = None,
) -> list[Slot]:
    """Slots on `devices` in turn, which share the cores for what they compute beside them.

    Args:
        memory: Bytes by device, as far as they are known; slots of one device share them.
    """
    count, memory = count or len(devices), memory or {}
    threads = str(max(1, cores // count))
    each = -(-count // len(devices))  # slots of a device, at most
    turns = [devices[index % len(devices)] for index in range(count)]
    return [
        Slot(
            name=f"cuda:{index}",
            device="cuda",
            environment={
                "CUDA_VISIBLE_DEVICES": device.value,
                "OMP_NUM_THREADS": threads,
                "TORCHINDUCTOR_COMPILE_THREADS": threads,
            },
            place=device.name,
            memory_bytes=memory[device.value] // each if device.value in memory else None,
        )
        for index, device in enumerate(turns)
    ]


def described(found: Found, labels: Mapping[str, str], worker_bytes: int | None) -> Found:
    """The slots with what is known of this machine alone.

    Args:
        labels: Of all of them.
        worker_bytes: Most private memory of a worker on a core.
    """
    slots = [
        replace(
            slot,
            labels=dict(labels),
            memory_bytes=worker_bytes if slot.device == "cpu" else slot.memory_bytes,
        )
        for slot in found.slots
    ]
    return replace(found, slots=slots, worker_bytes=worker_bytes)


def view_of(found: Found, out: Mapping[str, str] | None = None) -> SlotsView:
    """The slots as they are told.

    Args:
        found: As the dispatcher found them.
        out: Why slots have stopped working since, by their names.
    """
    causes = out or {}
    return SlotsView(
        slots=[
            SlotView(
                name=slot.name,
                place=slot.place,
                cause=causes.get(slot.name),
                device=slot.device,
                memory_bytes=slot.memory_bytes,
                labels=slot.labels,
            )
            for slot in found.slots
        ],
        broken=[BrokenView(name=name, cause=cause) for name, cause in found.broken],
        cores=found.cores.why if found.cores else None,
        worker_bytes=found.worker_bytes,
    )


def _proven(
    devices: Sequence[Device], environment: Mapping[str, str], prove: Prove
) -> tuple[list[Device], list[Broken]]:
    """The devices that work and those that do not; all are tried at the same time."""
    if not devices:
        return [], []
    slots = [device_slots([device], 1)[0] for device in devices]
    with ThreadPoolExecutor(len(slots), thread_name_prefix="proof") as pool:
        causes = list(pool.map(lambda slot: prove(slot, environment), slots))
    pairs = list(zip(devices, causes, strict=True))
    working = [device for device, cause in pairs if cause is None]
    return working, [Broken(device.name, cause) for device, cause in pairs if cause is not None]


def _refusal(found: Found) -> str:
    why = "; ".join(broken_in_words(view_of(found))) or "none is listed"
    return (
        f"METAOPT_DEVICES is cuda, and no device works: {why}. "
        "Mend that (docs/troubleshooting.md#devices), or let the cores be used: "
        "METAOPT_DEVICES=auto, or cpu"
    )
