"""Who takes part: every contender by name, with its code, its process and its options."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.suite.works import Work

CPU_LANES = (1, 8, 16, 32, 64)
FAMILY_LANES = (1, 16)
GPU_LANES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
GPU_JAX_LANES = (1, 16, 64)  # each compiles for a minute, and the GPU is the table's for ten


@dataclass(frozen=True)
class Entry:
    """One contender.

    Args:
        name: As in the results; "jax_8" and the like become one "jax" there.
        module: Its code in `benchmarks.suite.contenders`.
        group: Entries of one group share a process.
        peer: Runs in the peers' environment.
        options: Passed to the module's `make`.
    """

    name: str
    module: str
    group: str
    peer: bool = False
    options: dict[str, Any] = field(default_factory=dict, hash=False)


LIMIT = Entry("limit", "limit", "home")
LOOP = Entry("loop", "loop", "loop")


def roster(device: str) -> list[Entry]:
    """Return all contenders on a device, "cpu" or "cuda", besides the limit and the loop."""
    lanes, jax_lanes = (CPU_LANES,) * 2 if device == "cpu" else (GPU_LANES, GPU_JAX_LANES)
    peers = [Entry(name, name, name, True) for name in ("higher", "learn2learn", "torchopt")]
    jax = [Entry(f"jax_{n}", "jax", "jax", True, {"lanes": n, "mapped": False}) for n in jax_lanes]
    mapped = Entry("jax_map_8", "jax", "jax", True, {"lanes": 8, "mapped": True})
    ours = [
        Entry(f"ours_{kind}_{n}", "ours", group, False, {"lanes": n, "compiled": compiled})
        for kind, group, compiled in (("eager", "home", False), ("compiled", "compiled", True))
        for n in lanes
    ]
    return [*peers, *jax, mapped, *ours]


def roster_of(work: Work, device: str) -> list[Entry]:
    """Return the contenders of a work item, besides the limit and the loop."""
    entries = roster(device)
    if not work.of_the_family:
        return entries
    return [e for e in entries if not e.peer and e.options["lanes"] in FAMILY_LANES]


def jax_form(name: str) -> str:
    """A JAX entry, in words."""
    lanes = name.rsplit("_", 1)[1]
    return f"jit({'map' if '_map_' in name else 'vmap'}(vmap)), lanes: {lanes}"
