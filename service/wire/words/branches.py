"""Branches in words: what one trains, where its name does not say so."""

from collections.abc import Mapping
from typing import Any

from service.wire.spec.study import StudySpec
from service.wire.views.studies import StudyView
from service.wire.words import numbers

Model = Mapping[str, Any]


def trained_by(spec: StudySpec, name: str) -> str:
    """What a branch trains that its name does not say: its algorithm, and a model of its own, as
    far as that is not at its defaults.
    """
    branch, model = spec.branch(name), None
    if branch.model is not None:
        model = branch.model.model_dump(mode="json", exclude_defaults=True)
    return beyond_name(name, branch.algorithm, model)


def beyond_name(name: str, algorithm: str, model: Model | None) -> str:
    """An algorithm that is called otherwise than its branch, and a model, if there is one."""
    parts = [] if name == algorithm else [algorithm]
    return ", ".join(parts if model is None else [*parts, model_in_words(model)])


def with_trained(name: str, trained: str) -> str:
    """A branch by name, and behind it what it trains, if its name does not say that."""
    return f"{name} ({trained})" if trained else name


def branch_seconds(study: StudyView) -> list[str]:
    """What each branch with a limit of its own has taken of it."""
    return [
        f"devices of {branch.name}: {numbers.seconds(taken)} of "
        f"{numbers.seconds(branch.device_seconds)}"
        for branch in study.spec.branches
        if branch.device_seconds is not None
        and (taken := study.branches[branch.name].device_seconds) is not None
    ]


def model_in_words(model: Model) -> str:
    """A model: its kind and its options."""
    options = {name: str(value).replace(" ", "") for name, value in model.items() if name != "kind"}
    return " ".join(filter(None, (str(model["kind"]), numbers.params(options))))
