"""The records behind a signature.  No torch here."""

from typing import NamedTuple

from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.kind import ModelKind
from metaopt.models.registry import MODELS
from metaopt.population.signature import Signature


class Kinds(NamedTuple):
    """An algorithm and a kind of model: those of the registries, or somebody's own."""

    algorithm: Algorithm
    model: ModelKind


def kinds_of(signature: Signature) -> Kinds:
    """The records of the registries that `signature` names.

    Raises:
        InvalidMetaParameter, InvalidModel: it names one that is in none.
    """
    return Kinds(ALGORITHMS.get(signature.algorithm), MODELS.get(signature.model.get("kind")))
