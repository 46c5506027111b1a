"""Single tasks of a bank, drawn again for somebody to look at."""

import re

import numpy as np
import pytest
import torch

from metaopt.errors import InvalidTasks
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.bank_task import bank_tasks
from metaopt.evaluation.curve import draw
from metaopt.tasks.base import Episodes
from metaopt.tasks.make import make_tasks
from metaopt.tasks.omniglot.tasks import Omniglot
from metaopt.tasks.regression import Sinusoid

BANK = BankSpec("test", seed=5, tasks=40, k_shot=2, q_query=3, steps=0)
WORDS = re.compile(r"([\w()]+/character\d\d)(?: turned (\d+)°)?, drawings ([\d ]+) \| ([\d ]+)")


@pytest.mark.parametrize("kind", ["sinusoid", "linear", "omniglot"])
def test_a_task_that_is_shown_is_that_of_the_bank(kind: str) -> None:
    whole = draw(make_tasks({"kind": kind}), BANK, "cpu")
    for task in bank_tasks({"kind": kind}, BANK, [39, 0]):
        for shown, part in ((task.support, whole.support), (task.query, whole.query)):
            assert np.array_equal(shown.x, part.x[task.number])
            assert np.array_equal(shown.y, part.y[task.number])


def test_a_sinusoid_is_the_one_that_its_sentence_says() -> None:
    (task,) = bank_tasks({"kind": "sinusoid"}, BANK, [7])
    (early,) = bank_tasks({"kind": "sinusoid", "phase": [-2, -1]}, BANK, [7])
    for shown in (task, early):
        match = re.fullmatch(r"y = (\S+)·sin\(x ([+-]) (\S+)\)", shown.sentence)
        amplitude, sign, phase = match.groups()
        wave = float(amplitude) * np.sin(shown.query.x + float(sign + phase))
        assert np.allclose(shown.query.y, wave, atol=5e-3)
    assert (task.classes, task.query.images) == ((), None)


def test_a_linear_function_is_the_one_that_its_sentence_says() -> None:
    for task in bank_tasks({"kind": "linear"}, BANK, range(6)):
        slope, sign, bias = re.fullmatch(r"y = (\S+)·x ([+-]) (\S+)", task.sentence).groups()
        line = float(slope) * task.query.x + float(sign + bias)
        assert np.allclose(task.query.y, line, atol=5e-3)
    (wide,) = bank_tasks({"kind": "linear", "features": 9, "noise": 0.5}, BANK, [0])
    assert re.fullmatch(r"y = \((\S+, ){6}…\)·x [+-] \S+ \+ 0.5·noise", wide.sentence)


@pytest.mark.parametrize("rotations", ["none", "task", "classes"])
def test_omniglot_names_characters_turns_and_drawings(rotations: str) -> None:
    tasks = Omniglot.load({"n_way": 5, "rotations": rotations})
    shown = bank_tasks(tasks, BANK, [3, 4])
    turned = set()
    for task in shown:
        alphabets = {words.split("/")[0] for words in task.classes}
        counted = "one alphabet" if len(alphabets) == 1 else f"{len(alphabets)} alphabets"
        assert task.sentence == f"5 characters of {counted}"
        for label, words in enumerate(task.classes):
            name, degrees, support, query = WORDS.fullmatch(words).groups()
            turned.add(degrees)
            upright = tasks.greys[tasks.names.index(name)].view(-1, 28, 28)
            images = upright.rot90(int(degrees or 0) // 90, (-2, -1)).numpy() / 255
            for part, numbers in ((task.support, support), (task.query, query)):
                drawings = [int(number) - 1 for number in numbers.split()]
                assert np.allclose(part.images[part.y == label], images[drawings])
    assert (turned == {None}) is (rotations == "none")


def test_tasks_that_say_nothing_are_shown_by_their_examples() -> None:
    class Silent:
        input_shape, outputs, classification = (1,), 1, False

        def sample(self, split: str, keys: torch.Tensor, k_shot: int, q_query: int) -> Episodes:
            return Sinusoid().sample(split, keys, k_shot, q_query)

    (task,) = bank_tasks(Silent(), BANK, [1])
    (same,) = bank_tasks(Sinusoid(), BANK, [1])
    assert (task.sentence, task.classes, task.support.images) == ("", (), None)
    assert np.array_equal(task.support.x, same.support.x)


@pytest.mark.parametrize("number", [40, -1])
def test_what_is_not_in_the_bank_is_refused(number: int) -> None:
    with pytest.raises(InvalidTasks, match=f"0 to 39, got {number}"):
        bank_tasks({"kind": "sinusoid"}, BANK, [0, number])
