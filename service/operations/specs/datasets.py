"""The data set that a spec names: looked up, so that the spec says what it is.

    tasks.dataset: kana  ──store──▶  sha256:…, the split, and the facts that others check by

What is stored names the data by their digest, so it means the same for ever, and the same where
another data set has that name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaopt.data.facts import BY_DATA, DATASET, facts_of
from metaopt.data.manifest import Manifest
from metaopt.data.store import DataStore
from metaopt.errors import MetaoptError
from metaopt.tasks.dataset.splits import check_shots, default_split, split_members
from service.errors import FieldError, InvalidSpec
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec


def looked_up(data: Any, directory: Path | None) -> Any:
    """A spec's plain data with its data set, if it names one, looked up.

    Args:
        directory: Of data sets; None knows none.

    Raises:
        InvalidSpec: There is no such data set, or it has not what the spec asks of it.
    """
    tasks = data.get("tasks") if isinstance(data, dict) else None
    if directory is None or not isinstance(tasks, dict) or tasks.get("kind") != DATASET:
        return data
    reference, split = tasks.get("dataset"), tasks.get("split", BY_DATA)
    if not isinstance(reference, str):
        raise _refused("dataset", "must be the name of a data set, or sha256: and its digest")
    try:
        manifest = DataStore(directory).get(reference)
    except MetaoptError as error:
        raise _refused("dataset", str(error)) from None
    try:
        split = default_split(manifest) if split == BY_DATA else split
        members = split_members(manifest, split)
    except MetaoptError as error:
        raise _refused("split", str(error)) from None
    facts = facts_of(manifest, {part: len(chosen) for part, chosen in members.items()})
    found = {"dataset": f"sha256:{manifest.digest}", "split": split, "facts": facts.to_json()}
    return {**data, "tasks": {**tasks, **found}}


def read_spec(data: Any, directory: Path | None) -> StudySpec:
    """The spec that plain data describes, defaults filled in and its data set looked up.

    Raises:
        InvalidSpec: It breaks rules, or asks more of its data set than that has.
    """
    spec = parse_spec(looked_up(data, directory))
    if directory is not None and spec.tasks.kind == DATASET:
        options = spec.tasks.chosen()
        _check(DataStore(directory).get(options["dataset"]), options, spec)
    return spec


def _check(manifest: Manifest, options: Mapping[str, Any], spec: StudySpec) -> None:
    members = split_members(manifest, options["split"])
    asked = {
        "tasks": (options["k_shot"], options["q_query"], ("train",)),
        "evaluation": (*spec.evaluation_shots(), ("validation", "test")),
    }
    for branch in spec.branches:
        shots = spec.training_shots(branch)
        if shots is not None:
            field = f"branches.{branch.name}.space.{shots.field}"
            asked[field] = shots.k_shot, shots.q_query, ("train",)
    for field, (k_shot, q_query, parts) in asked.items():
        try:
            check_shots(manifest, members, k_shot, q_query, parts)
        except MetaoptError as error:
            raise _refused("k_shot", str(error), field) from None


def _refused(field: str, rule: str, place: str = "tasks") -> InvalidSpec:
    return InvalidSpec(f"{place}.{field}: {rule}", [FieldError(f"{place}.{field}", rule)])
