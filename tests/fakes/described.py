"""Plug-ins as a worker would describe them, without a worker."""

from dataclasses import replace
from typing import Any

from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.metaparams import MetaParam
from metaopt.plugins.described import Described, Needed
from metaopt.plugins.description import describe

DIGEST = "1" * 64
PULL = MetaParam("pull", "float", 0.0, "1", "Pull to zero.", "ours", low=0.0, high=0.5)


def algorithm(name: str = "pulled", digest: str = DIGEST, **changes: Any) -> Described:
    """MAML under another name, with a parameter of its own."""
    maml = ALGORITHMS.get("maml")
    record: Algorithm = replace(maml, name=name, params=(*maml.params, PULL), unrolls=None)
    fields = {"package": "toys", "version": "1.0", **changes}
    return Described("algorithms", name, digest=digest, record=describe(record), **fields)


def refused(name: str = "other", why: str = "the package other 3.0 is not allowed") -> Described:
    """An algorithm that nobody may import."""
    return Described("algorithms", name, "other", "3.0", "", refused=why)


def needed(one: Described) -> dict[str, Any]:
    """As a study's row names it."""
    return Needed(one.family, one.name, one.package, one.version, one.digest).to_json()
