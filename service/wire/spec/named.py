"""Kinds that a spec names and that plug-ins may bring: read from plain data, whatever it is worth.

tasks.kind names tasks, model.kind a model (of the study, or of a branch), branches[i].algorithm an
algorithm, as verdict.compare may, and the ref of a model of kind module a class of modules.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from metaopt.evaluation.trivial_names import TRIVIAL_NAMES
from metaopt.plugins.described import Family
from metaopt.plugins.description import FAMILIES
from metaopt.presets import PRESETS
from service.wire.spec.compare import DEFAULT, NONE

MODULE = "module"
"""The kind of model whose `ref` names a class of modules."""

_NO_ALGORITHMS = frozenset((DEFAULT, NONE, *PRESETS, *TRIVIAL_NAMES))
"""What else a verdict may compare with."""


class NamedKind(NamedTuple):
    """A kind as a spec names it.

    Args:
        family, name: As `metaopt.plugins.described.Described` has them.
        field: Path of the field that names it.
        part: The object that it stands in, with its options.
    """

    family: Family
    name: str
    field: str
    part: dict[str, Any]

    @property
    def ours(self) -> bool:
        """Whether it is one of metaopt's own."""
        return FAMILIES[self.family].is_ours(self.name)

    @property
    def known(self) -> bool:
        """Whether anything is known of it, also if nobody can choose it any more."""
        return self.name in FAMILIES[self.family]


def named_kinds(spec: Any) -> list[NamedKind]:
    """The kinds that the plain data of a spec name, each as often as it does."""
    return list(_named(spec)) if isinstance(spec, dict) else []


def _named(spec: dict[str, Any]) -> Iterator[NamedKind]:
    yield from _of("tasks", spec.get("tasks"), "tasks.kind")
    yield from _of_model(spec.get("model"), "model")
    branches = spec.get("branches")
    for position, branch in enumerate(branches if isinstance(branches, list) else ()):
        yield from _of("algorithms", branch, f"branches[{position}].algorithm")
        if isinstance(branch, dict):
            yield from _of_model(branch.get("model"), f"branches[{position}].model")
    yield from _compared(spec.get("verdict"))
    gates = spec.get("gates")
    incumbent = gates.get("incumbent") if isinstance(gates, dict) else None
    if isinstance(incumbent, dict):
        yield from _of_model(incumbent.get("model"), "gates.incumbent.model")


def _compared(verdict: Any) -> Iterator[NamedKind]:
    """Algorithms that a verdict compares with: what is nothing else that it may name."""
    compare = verdict.get("compare") if isinstance(verdict, dict) else None
    for name in compare if isinstance(compare, list) else [compare]:
        if isinstance(name, str) and name not in _NO_ALGORITHMS:
            yield NamedKind("algorithms", name, "verdict.compare", verdict)


def _of_model(part: Any, field: str) -> Iterator[NamedKind]:
    yield from _of("models", part, f"{field}.kind")
    if isinstance(part, dict) and part.get("kind") == MODULE:
        yield from _of("modules", part, f"{field}.ref")


def _of(family: Family, part: Any, field: str) -> Iterator[NamedKind]:
    name = part.get(field.rpartition(".")[2]) if isinstance(part, dict) else None
    if isinstance(name, str):
        yield NamedKind(family, name, field, part)
