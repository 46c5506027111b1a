"""Single tasks of a bank, drawn again so that a person can look at them.

    spec, bank, [417, 12] ──bank_tasks──▶ examples as arrays, images, and what the tasks are

Tasks are functions of the bank and their index, so these are the very ones that trials were
scored on, whatever machine draws them (a GPU may round a sine in its last digit).
"""

from collections.abc import Iterable, Sequence

import torch

from metaopt.errors import InvalidTasks
from metaopt.evaluation.bank import BankSpec, BankTask, ShownExamples
from metaopt.evaluation.curve import draw, task_keys
from metaopt.messages import shown
from metaopt.options import Options
from metaopt.plain import plain, whole
from metaopt.tasks.base import Examples, Interactive, SelfDescribing, Tasks
from metaopt.tasks.description import Description, Ink
from metaopt.tasks.kind import TaskKind
from metaopt.tasks.make import tasks_of


def bank_tasks(
    tasks: Tasks | TaskKind | Options, bank: BankSpec, indices: Sequence[int]
) -> list[BankTask]:
    """The tasks of a bank at these indices, drawn on the CPU.

    Args:
        tasks: Where the bank is drawn from: an object, a kind, or a study spec's `tasks`.
        bank: Of which tasks.
        indices: From 0.

    Raises:
        InvalidTasks: an index is not in the bank, or the data cannot be read.
    """
    if not isinstance(bank, BankSpec):
        raise InvalidTasks(f"bank must be a BankSpec, got {shown(bank)}")
    given = plain(indices)
    if not isinstance(given, Iterable):
        raise InvalidTasks(f"indices must be a list of numbers of tasks, got {shown(indices)}")
    indices = [whole("an index of a task", index, error=InvalidTasks) for index in given]
    for index in indices:
        if not 0 <= index < bank.tasks:
            raise InvalidTasks(
                f"the bank has {bank.tasks:,} tasks, so a task is 0 to {bank.tasks - 1}, "
                f"got {index}"
            )
    drawn = tasks_of(tasks, device="cpu", dtype=torch.float32)
    return [_bank_task(drawn, bank, index) for index in indices]


def _bank_task(tasks: Tasks, bank: BankSpec, index: int) -> BankTask:
    support, query = draw(tasks, bank, "cpu", index, 1)
    description = Description()
    if isinstance(tasks, SelfDescribing):
        key = task_keys(bank, torch.tensor(index))
        description = tasks.describe(bank.split, key, bank.k_shot, bank.q_query)
    if isinstance(tasks, Interactive):  # examples are noise, which says nothing to anybody
        support, query = (Examples(e.x[:, :0], e.y[:, :0]) for e in (support, query))
    return BankTask(
        index,
        description.sentence,
        description.classes,
        _shown(support, description.ink),
        _shown(query, description.ink),
    )


def _shown(examples: Examples, ink: Ink | None) -> ShownExamples:
    x, y = examples.x[0].numpy(), examples.y[0].numpy()
    return ShownExamples(x, y, None if ink is None else ink(x))
