"""Modules that a worker could not map: right, and as slow as if there were no lanes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from service.cli.findings.finding import Finding, Level
from service.wire.words.lanes import lane_by_lane

MOST_NAMED = 10
REMEDY = "docs/own-model.md#how-it-runs-and-what-cannot-be-mapped"


class Slow(NamedTuple):
    """A module, and why its lanes are trained one after the other."""

    name: str
    because: str


def slow_modules(where: str, found: Iterable[Slow]) -> Iterator[Finding]:
    """Find which modules are known to be computed lane by lane.

    Args:
        where: The server, or the database, that says so.
    """
    listed = list(dict.fromkeys(found))
    for name, because in listed[:MOST_NAMED]:
        text = f"{where}: {lane_by_lane({'kind': name}, because)}"
        yield Finding(Level.WARN, "lanes", text, REMEDY)
    if len(listed) > MOST_NAMED:
        text = f"{where}: {len(listed) - MOST_NAMED} more modules are computed lane by lane"
        yield Finding(Level.WARN, "lanes", text, "metaopt plugins --json -")
