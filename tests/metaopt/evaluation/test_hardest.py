"""What is hardest for a model, beside its file used task by task."""

import base64
import io
import json
import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

from metaopt import BankSpec, train
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.evaluation import hardest as module
from metaopt.evaluation.bank_task import bank_tasks
from metaopt.evaluation.evaluate import Trained, evaluate
from metaopt.evaluation.hard_tasks import Hardest
from metaopt.evaluation.hardest import hardest
from metaopt.tasks.dataset.tasks import DatasetTasks
from tests.fakes.packed import table
from tests.fakes.winners import MLP, ZOO, zoo

BANK = BankSpec("test", 3, 130, 1, 2, 2)
"""More tasks than are adapted to at once."""


def trained_on(tasks: Any, **params: Any) -> Trained:
    chosen = {"inner_lr": 0.1, "inner_steps": 2, "meta_batch": 2, **params}
    return train(
        "maml", tasks=tasks, model=MLP, params=chosen, meta_iterations=5, k_shot=1, q_query=2
    )


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> DatasetTasks:
    folder = zoo(tmp_path_factory.mktemp("zoo"))
    packed = read(folder, Packing(invert=True))[1]
    return DatasetTasks.of(packed, n_way=2, k_shot=1, q_query=2)


def test_tasks_and_classes_are_those_that_score_worst(animals: DatasetTasks) -> None:
    trained = trained_on(animals)
    found = hardest(trained, BANK)
    (scores,) = (each.scores for each in evaluate(trained, BANK))
    order = sorted(range(BANK.tasks), key=lambda task: (scores[task], task))
    numbers = [task.number for task in found.tasks]
    assert found.judged == BANK.tasks and numbers[0] == order[0]
    assert [task.score for task in found.tasks] == pytest.approx([scores[n] for n in numbers])

    right, examples, tasks = Counter[str](), Counter[str](), Counter[str]()
    for number, score in enumerate(scores):
        key_names = _names(animals, number)
        for name in key_names:
            tasks[name] += 1
            examples[name] += BANK.q_query
        right["all"] += round(score * BANK.q_query * len(key_names))
    assert found.known == len(tasks) == 3
    for one in found.classes:
        assert one.name in ZOO.split() and one.right < one.examples
        assert (one.tasks, one.examples) == (tasks[one.name], examples[one.name])
        assert one.taken_for in tasks and one.taken_for != one.name
        assert 0 < one.taken <= one.examples - one.right
    if len(found.classes) == 3:
        assert sum(one.right for one in found.classes) == right["all"]


def _names(tasks: DatasetTasks, number: int) -> tuple[str, ...]:
    (one,) = bank_tasks(tasks, BANK, [number])
    return tuple(name.split(",")[0] for name in one.classes)


def test_pictures_are_as_their_owner_has_them(animals: DatasetTasks, tmp_path: Path) -> None:
    found = hardest(trained_on(animals), BANK)
    known = {
        np.asarray(Image.open(path)).tobytes(): path.parent.name
        for path in zoo(tmp_path).rglob("*.png")
    }
    for task in found.tasks:
        assert task.classified is not None and task.sentence == "2 classes"
        classes = task.classified.classes
        assert len(task.classified.support) == 2 and len(task.classified.query) == 4
        right = [one.right for one in task.classified.query]
        assert right == sorted(right), "wrong ones first"
        assert sum(map(bool, right)) / 4 == pytest.approx(task.score)
        for one in (*task.classified.support, *task.classified.query):
            assert one.label is not None
            assert known[_pixels(one.png)] == classes[one.label]
    for hard in found.classes:
        assert known[_pixels(hard.png)] == hard.name


def _pixels(png: str) -> bytes:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))).tobytes()


def test_it_is_plain_data_that_comes_back(animals: DatasetTasks) -> None:
    found = hardest(trained_on(animals), BANK)
    text = json.dumps(asdict(found), allow_nan=False)
    assert TypeAdapter(Hardest).validate_json(text) == found


def test_numbers_are_in_the_unit_of_the_data_and_a_table_s_task_is_shown_once() -> None:
    tasks = DatasetTasks.of(table([6] * 9, target="number", given=True))
    trained = trained_on(tasks)
    bank = BankSpec("test", 3, 20, 2, 3, 2)
    found = hardest(trained, bank)
    (scores,) = (each.scores for each in evaluate(trained, bank))
    assert len(found.tasks) == 3 and found.classes == [] and found.known == 0
    groups = {task.sentence.split(",")[0] for task in found.tasks}
    assert groups == {"g2", "g5", "g8"}
    for task in found.tasks:
        assert task.predicted is not None and task.predicted.curve is None
        errors = task.predicted.errors()
        assert errors is not None and errors[1] == pytest.approx(scores[task.number], rel=1e-4)
        group = int(task.sentence[1])
        for point in (*task.predicted.support, *task.predicted.query):
            assert point.y is not None
            assert point.x[0] == pytest.approx(group, abs=1e-4)
            assert point.y[0] == pytest.approx(100 * group + point.x[1], rel=1e-4)


def test_one_input_has_curves_before_and_after() -> None:
    trained = trained_on({"kind": "sinusoid"}, inner_lr=0.01)
    found = hardest(trained, BankSpec("test", 3, 8, 5, 6, 2))
    for task in found.tasks:
        assert task.sentence.startswith("y = ")
        assert task.predicted is not None and task.predicted.curve is not None
        curve = task.predicted.curve
        inputs = [p.x[0] for p in (*task.predicted.support, *task.predicted.query)]
        assert (curve.x[0], curve.x[-1]) == pytest.approx((min(inputs), max(inputs)))
        assert len(curve.x) == len(curve.before) == len(curve.after)
        at_end = next(p for p in (*task.predicted.query,) if p.x[0] < math.inf)
        assert at_end.before is not None and at_end.after is not None
        near = np.interp(at_end.x[0], curve.x, curve.after)
        assert at_end.after[0] == pytest.approx(float(near), abs=0.1)


def test_many_examples_and_tasks_are_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = DatasetTasks.of(table([30] * 9, given=True), n_way=3)
    monkeypatch.setattr(module, "MOST_TASKS", 7)
    found = hardest(trained_on(tasks), BankSpec("test", 3, 50, 10, 15, 2))
    assert found.judged == 7
    for task in found.tasks:
        assert task.classified is not None
        assert len(task.classified.query) == 16 and task.classified.hidden == 45 - 16
        assert len(task.classified.support) <= 30
        assert {one.png for one in task.classified.support} == {""}


def test_a_task_that_diverged_is_hard_and_counts_as_not_recognised() -> None:
    tasks = DatasetTasks.of(table([6] * 9, given=True), n_way=2)
    trained = trained_on(tasks)
    lost = trained._replace(phi=torch.full_like(trained.phi, torch.inf))
    found = hardest(lost, BankSpec("test", 3, 5, 2, 2, 2))
    assert all(task.diverged and task.classified is None for task in found.tasks)
    assert {one.right for one in found.classes} == {0}
    assert {one.taken_for for one in found.classes} == {None}
