"""Algorithms by name; no torch here."""

from metaopt.algorithms.algorithm import Algorithm, Values
from metaopt.errors import InvalidMetaParameter
from metaopt.metaparams import MetaParam, Value
from metaopt.registry import Registry

ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm", "metaopt.algorithms.kinds", InvalidMetaParameter
)


def parameters(algorithm: str) -> dict[str, MetaParam]:
    """The parameters of `algorithm` by name.

    Raises:
        InvalidMetaParameter: no such algorithm.
    """
    return ALGORITHMS.get(algorithm).parameters()


def complete(algorithm: str, values: Values) -> dict[str, Value]:
    """The values checked, with the default of every parameter they do not mention.

    Raises:
        InvalidMetaParameter: no such algorithm, unknown name or bad value.

    Example:
        >>> complete("maml", {"inner_lr": 0.1})["outer_lr"]
        0.001
    """
    return ALGORITHMS.get(algorithm).complete(values)
