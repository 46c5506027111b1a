"""Samplers of a spec: what they are named, what they search, and which of them cannot."""

from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter

from metaopt.algorithms.registry import parameters
from metaopt.search.samplers.kind import Problem
from metaopt.search.samplers.registry import SAMPLERS, space_refusal
from metaopt.search.space import Choice, Dimension, Float, Int
from service.wire.spec.kinds import Formed, literal
from service.wire.spec.space import Branch, Range


@cache
def _one_of(names: tuple[str, ...]) -> TypeAdapter[Any]:
    return literal(names)


SamplerName = Annotated[str, Formed(lambda: _one_of(SAMPLERS.names()))]


def dimensions(branch: Branch) -> dict[str, Dimension]:
    """The searched parameters of `branch` in the words of `metaopt.search`.

    Whole numbers are searched as such.
    """
    params = parameters(branch.algorithm)
    space: dict[str, Dimension] = {}
    for name, entry in branch.distributions().items():
        if not isinstance(entry, Range):
            space[name] = Choice(tuple(entry.choices))
        elif name in params and params[name].kind == "int":
            space[name] = Int(int(entry.low), int(entry.high), log=entry.log)
        else:
            space[name] = Float(entry.low, entry.high, log=entry.log)
    return space


def check_sampler(sampler: str, problem: Problem) -> None:
    """Check that `sampler` can search the space of a branch.

    Raises:
        ValueError: it cannot; the message says what can be done.
    """
    refusal = space_refusal(SAMPLERS.get(sampler), problem)
    if refusal:
        raise ValueError(refusal)
