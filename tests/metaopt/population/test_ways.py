"""Training on tasks of more classes than a trial is judged on, and of none that cannot be."""

import re

import pytest
import torch

from metaopt.errors import InvalidMetaParameter, InvalidTasks
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.train import train
from metaopt.tasks.dataset.tasks import DatasetTasks
from metaopt.tasks.omniglot.tasks import Omniglot
from tests.fakes.blobs import Blobs
from tests.fakes.packed import labelled, table

OMNIGLOT = {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 2}
MLP = {"kind": "mlp", "widths": [3]}


def population(**params: int) -> Population:
    signature = signature_of(tasks=OMNIGLOT, model=MLP, algorithm="protonet", params=params)
    return Population(signature)


def test_what_is_meta_learned_does_not_depend_on_the_ways_that_are_trained_with() -> None:
    made, same = population(train_ways=4), population()
    assert made.program.learner.shapes == same.program.learner.shapes
    assert (made.program.training.outputs, made.program.tasks.outputs) == (4, 2)
    assert (made.program.training_learner.width, made.program.learner.width) == (4, 2)
    assert same.program.training is same.program.tasks
    assert made.signature.structure["train_ways"] == 4
    assert made.signature.digest() != same.signature.digest()


@pytest.mark.parametrize("target", ["omniglot", "dataset"])
def test_tasks_of_other_ways_are_those_of_a_distribution_made_with_them(target: str) -> None:
    def tasks(n_way: int) -> Omniglot | DatasetTasks:
        if target == "omniglot":
            return Omniglot.load({"n_way": n_way, "rotations": "classes"})
        return DatasetTasks.of(table([6] * 40), n_way=n_way)

    few, many = tasks(2).with_ways("train", 5), tasks(5)
    keys = torch.arange(3)
    assert few.outputs == 5
    for ours, theirs in zip(
        few.sample("train", keys, 2, 3), many.sample("train", keys, 2, 3), strict=True
    ):
        assert torch.equal(ours.x, theirs.x) and torch.equal(ours.y, theirs.y)


TASKS = {
    "blobs": Blobs,
    "omniglot": lambda: OMNIGLOT,
    "table": lambda: DatasetTasks.of(table([4] * 11), n_way=2),
    "numbers": lambda: DatasetTasks.of(table([4] * 11, target="number")),
    "labels": lambda: DatasetTasks.of(labelled([[4] * 3] * 11)),
}


@pytest.mark.parametrize(
    ("algorithm", "tasks", "ways", "rule"),
    [
        ("protonet", "blobs", 13, "n_way must be at most 12, got 13"),
        ("protonet", "omniglot", 1, "n_way must be between 2 and the 1028 classes of split train"),
        ("r2d2", "numbers", 5, "n_way is of classes to draw from, these data have numbers to pre"),
        ("protonet", "labels", 5, "n_way is of classes to draw from, these data have tasks of 3"),
        ("protonet", "table", 8, "n_way must be at most the 7 classes of split train"),
    ],
)
def test_tasks_that_have_no_such_number_of_classes_are_refused_by_name(
    algorithm: str, tasks: str, ways: int, rule: str
) -> None:
    with pytest.raises(InvalidTasks, match=re.escape(f"train_ways: {rule}")):
        train(algorithm, tasks=TASKS[tasks](), params={"train_ways": ways}, meta_iterations=1)


def test_tasks_that_are_never_drawn_with_other_classes_are_refused_by_name() -> None:
    rule = "train_ways must be 0 for tasks Sinusoid, which are not drawn with another number"
    with pytest.raises(InvalidTasks, match=rule):
        train("r2d2", tasks={"kind": "sinusoid"}, params={"train_ways": 5}, meta_iterations=1)


@pytest.mark.parametrize("algorithm", ["protonet", "matching"])
def test_what_an_algorithm_cannot_do_is_refused_with_what_fits(algorithm: str) -> None:
    rule = f"{algorithm} is for tasks of classes, and these ask for numbers: take one of "
    with pytest.raises(InvalidMetaParameter, match=rule) as refused:
        train(algorithm, tasks={"kind": "sinusoid"}, meta_iterations=1)
    fitting = str(refused.value).split("take one of ")[1].split(", ")
    assert {"maml", "r2d2", "reptile"} <= set(fitting) and algorithm not in fitting
