"""What an algorithm trains on is held against what the tasks of a spec have."""

from typing import Any

import pytest
from pydantic import ValidationError

from metaopt.metaparams import Value
from metaopt.tasks.omniglot.splits import split_members, vinyals_lists
from metaopt.tasks.registry import TASKS
from service.planning.signatures import trial_signature
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST

OMNIGLOT = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 5}
FACTS = {
    "target": "class", "input_shape": [3], "outputs": 0,
    "groups": {"train": 7, "validation": 2, "test": 2},
}  # fmt: skip
DATASET = {"kind": "dataset", "dataset": "sha256:" + "0" * 64, "n_way": 2}


def spec(algorithm: str = "protonet", tasks: Any = OMNIGLOT, **space: Any) -> StudySpec:
    model = {"kind": "conv4"} if tasks["kind"] == "omniglot" else {"kind": "mlp"}
    branches = [{"algorithm": algorithm, "space": space}]
    return StudySpec.model_validate({**LEAST, "tasks": tasks, "model": model, "branches": branches})


def dataset(**changes: Any) -> dict[str, Any]:
    return {**DATASET, "facts": {**FACTS, **changes}}


@pytest.mark.parametrize(
    ("algorithm", "tasks", "space", "rule"),
    [
        ("protonet", {"kind": "sinusoid"}, {}, "ask for numbers: take one of .*maml, .*reptile"),
        ("matching", {"kind": "linear"}, {}, "ask for numbers: take one of .*r2d2"),
        ("r2d2", {"kind": "sinusoid"}, {"train_ways": 5},
         "branch r2d2: train_ways must be 0 for tasks sinusoid, which are not drawn with another"),
        ("r2d2", dataset(target="label", outputs=3), {"train_ways": 5},
         "train_ways must be 0 for tasks dataset"),
        ("protonet", OMNIGLOT, {"train_ways": 1}, "between 2 and the 1028 classes of meta-tr"),
        ("protonet", dataset(), {"train_ways": {"low": 2, "high": 8}},
         "train_ways must be 0, or between 2 and the 7 classes of meta-training, got 8"),
        ("protonet", OMNIGLOT, {"train_shots": 16},
         "train_shots must be at most the 20 drawings of a character beside q_query = 5, got 16"),
    ],
)  # fmt: skip
def test_more_than_the_tasks_have_is_refused(
    algorithm: str, tasks: Any, space: Any, rule: str
) -> None:
    with pytest.raises(ValidationError, match=rule):
        spec(algorithm, tasks, **space)


def test_what_the_tasks_have_is_taken() -> None:
    assert spec(train_ways=60, train_shots=15).branches
    assert spec(tasks={**dataset(), "rotations": "classes"}, train_ways=28).branches
    assert spec("reptile", train_shots=20).branches, "Reptile trains on no query examples"


def test_omniglot_has_as_many_classes_as_its_kind_says() -> None:
    record = TASKS.get("omniglot")
    lists = vinyals_lists()
    names = tuple(sorted(name for part in lists.values() for name in part))
    for split in ("vinyals", "random:3"):
        assert record.most_ways in range(2, len(split_members(split, names)["train"]) + 1)


def test_training_with_more_classes_needs_more_memory_and_a_program_of_its_own() -> None:
    few, many = spec(), spec(train_ways=60)
    # The bank of an evaluation is the larger one of the former.
    assert many.lane_bytes() > 2 * few.lane_bytes()
    branch = many.branches[0]
    params: dict[str, Value] = branch.defaults()
    assert trial_signature(many, branch, params).structure["train_ways"] == 60
    assert trial_signature(few, few.branches[0], few.branches[0].defaults()) != trial_signature(
        many, branch, params
    )
