"""The records behind a signature.  No torch here."""

from collections.abc import Iterator
from typing import NamedTuple

from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.kind import ModelKind
from metaopt.models.registry import MODELS, MODULES
from metaopt.population.signature import Signature
from metaopt.registry import Origin
from metaopt.tasks.registry import TASKS


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


class Plugin(NamedTuple):
    """A plug-in's kind that a signature names: its family, name and origin."""

    family: str
    name: str
    origin: Origin

    def to_json(self) -> dict[str, str]:
        """Return plain data, as `metaopt.plugins.described.Needed` has it."""
        package, version, digest, _ = self.origin
        return {
            "family": self.family,
            "name": self.name,
            "package": package,
            "version": version,
            "digest": digest,
        }


def plugins_of(signature: Signature) -> Iterator[Plugin]:
    """The plug-ins behind the names of a signature."""
    named = (
        ("tasks", TASKS, signature.tasks.get("kind")),
        ("models", MODELS, signature.model.get("kind")),
        ("modules", MODULES, signature.model.get("ref")),
        ("algorithms", ALGORITHMS, signature.algorithm),
    )
    for family, registry, name in named:
        origin = registry.origin(name)
        if origin is not None:
            yield Plugin(family, str(name), origin)
