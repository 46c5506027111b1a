"""The kind `dataset`: what its facts say before the data are there is what its tasks are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from metaopt.data import shelf
from metaopt.data.facts import facts_of, read_facts
from metaopt.data.store import DataStore
from metaopt.errors import InvalidData, InvalidTasks, MetaoptError
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.bank_task import bank_tasks
from metaopt.population.train import train
from metaopt.tasks.dataset.splits import split_members
from metaopt.tasks.make import make_tasks
from metaopt.tasks.registry import TASKS
from tests.fakes.packed import images, table
from tests.fakes.stores import stored

KIND = TASKS.get("dataset")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DataStore]:
    """Yield a store where this process looks for data sets."""
    shelf.look_in(tmp_path)
    yield DataStore(tmp_path)
    shelf.look_in(None)


def options(store: DataStore, name: str, **more: Any) -> dict[str, Any]:
    manifest = store.get(name)
    split = more.pop("split", "random:1")
    groups = {part: len(chosen) for part, chosen in split_members(manifest, split).items()}
    facts = facts_of(manifest, groups).to_json()
    return KIND.complete({"dataset": name, "split": split, "facts": facts, "q_query": 2, **more})


def test_it_is_known_how_many_different_tasks_a_split_has(store: DataStore) -> None:
    facts = {"target": "class", "input_shape": [1, 4, 4], "outputs": 0, "groups": {"test": 6}}
    options = {"n_way": 5, "rotations": "none", "facts": facts}
    assert KIND.different(options, "test") == 6
    assert KIND.different({**options, "rotations": "classes"}, "test") == 42_504
    assert KIND.different({**options, "facts": {**facts, "target": "number"}}, "test") == 6
    assert TASKS.get("sinusoid").different({}, "test") is None


@pytest.mark.parametrize("target", ["class", "number"])
def test_tasks_are_what_their_facts_say(store: DataStore, target: str) -> None:
    stored(store, "rows", table([5] * 12, target=target))
    given = options(store, "rows", n_way=2)
    tasks = make_tasks(given)
    assert tuple(tasks.input_shape) == KIND.shape(given) == (3,)
    assert tasks.outputs == KIND.width(given)
    assert tasks.classification is KIND.classification(given) is (target == "class")
    assert KIND.metric(given).name == ("accuracy" if target == "class" else "mse")
    support = tasks.sample("train", torch.tensor([1]), 1, 1).support
    assert support.y.shape[1] == KIND.classes(given)


def test_a_spec_of_them_trains_and_shows_its_tasks(store: DataStore) -> None:
    stored(store, "pictures", images([4] * 15, shape=(1, 8, 8)))
    given = options(store, "pictures", n_way=2, rotations="task", flips=True)
    trained = train("maml", tasks=given, model={"kind": "linear"}, meta_iterations=2)
    assert torch.isfinite(trained.phi).all()
    (task,) = bank_tasks(given, BankSpec("test", 0, tasks=3, k_shot=1, q_query=2, steps=0), [2])
    assert len(task.classes) == 2 and task.support.images is not None


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"metric": "mse"}, "must be one of accuracy, cross_entropy, macro_f1 for such data"),
        ({"n_way": 9}, "at most the 8 classes of split train, got 9"),
        ({"facts": None}, "has not been looked up"),
        ({"facts": {"target": "class"}}, "must be left out, or be what a stored spec says"),
    ],
)
def test_options_that_do_not_fit_the_data_are_refused(
    store: DataStore, more: dict[str, Any], rule: str
) -> None:
    stored(store, "rows", table([5] * 12))
    with pytest.raises(InvalidTasks, match=rule):
        KIND.complete({**options(store, "rows", n_way=2), **more})


def test_data_that_are_not_here_are_asked_for_by_name(store: DataStore) -> None:
    stored(store, "rows", table([5] * 12))
    given = options(store, "rows", n_way=2)
    store.remove("rows")
    with pytest.raises(InvalidData, match="there is no data set 'rows'"):
        make_tasks(given)
    shelf.look_in(None)
    with pytest.raises(InvalidData, match="no directory of data sets is known here"):
        make_tasks(given)


@pytest.mark.parametrize(
    "broken", [[], {"outputs": -1}, {"input_shape": 3}, {"groups": {"train": True}}, {"more": 1}]
)
def test_facts_are_whole_or_none(store: DataStore, broken: Any) -> None:
    stored(store, "rows", table([5] * 12))
    facts = options(store, "rows", n_way=2)["facts"]
    assert read_facts(facts).to_json() == facts
    with pytest.raises(MetaoptError, match="must be left out"):
        read_facts({**facts, **broken} if isinstance(broken, dict) else broken)
