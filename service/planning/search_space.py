"""Spaces: what a branch of a spec searches, in the words of `metaopt.search`."""

from metaopt.algorithms.registry import parameters
from metaopt.search.space import Choice, Dimension, Float, Int
from service.wire.spec.space import Branch, Range


def dimensions(branch: Branch) -> dict[str, Dimension]:
    """Return the searched parameters of `branch`; whole numbers are searched as such."""
    known = parameters(branch.algorithm)
    found: dict[str, Dimension] = {}
    for name, entry in branch.distributions().items():
        if not isinstance(entry, Range):
            found[name] = Choice(tuple(entry.choices))
        elif known[name].kind == "int":
            found[name] = Int(int(entry.low), int(entry.high), log=entry.log)
        else:
            found[name] = Float(entry.low, entry.high, log=entry.log)
    return found
