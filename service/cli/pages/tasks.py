"""A task of a bank on the command line: what it is, and its examples as dots or numbers.

Images are drawn in Braille, which has 2 × 4 dots a character: 28 × 28 pixels take 14 × 7.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metaopt.evaluation.bank import BankTask, ShownExamples
from service.cli import console

INK = 0.35
"""From this on a pixel is a dot: thin strokes cover less than half of a small image's pixels."""
MOST_ROWS, MOST_COLUMNS = 20, 6
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def task_page(task: BankTask, bank: str, scores: list[str], *, examples: bool) -> None:
    """Print a task.

    Args:
        task: The task.
        bank: Name of its bank.
        scores: How trials score on it, in words.
        examples: Whether to print its examples too, or only what it is.
    """
    console.data(title(task, bank))
    if scores:
        console.data(f"score, mean over fresh trainings: {', '.join(scores)}")
    if task.support.images is None:
        for line in task.classes:
            console.data(line)
        if examples and len(task.support.x) + len(task.query.x):
            _table(task)
        return
    for label in range(int(task.support.y.max(initial=-1)) + 1):
        console.data(class_title(task, label))
        for line in _class_lines(task, label) if examples else ():
            console.data(line)


def title(task: BankTask, bank: str) -> str:
    """Which task it is, and what."""
    return f"task {task.number} of the {bank} bank{f': {task.sentence}' if task.sentence else ''}"


def class_title(task: BankTask, label: int) -> str:
    """What a class is."""
    return f"class {label}{f': {task.classes[label]}' if task.classes else ''}"


def braille(ink: NDArray[np.bool_]) -> list[str]:
    """An image (height, width) as lines of Braille."""
    height, width = ink.shape
    padded = np.pad(ink, ((0, -height % 4), (0, -width % 2)))
    cells = padded.reshape(-(-height // 4), 4, -(-width // 2), 2)
    codes = 0x2800 + (cells * _DOTS[:, None, :]).sum(axis=(1, 3))
    return ["".join(map(chr, row)) for row in codes]


def _class_lines(task: BankTask, label: int) -> Iterator[str]:
    """Support and query images beside each other, as many as fit."""
    support, query = (_of_class(examples, label) for examples in (task.support, task.query))
    fit = max(2, (console.width() - 1) // (-(-support.shape[-1] // 2) + 1))
    shown = support[: max(1, fit - min(1, len(query)))]
    beside = query[: max(0, fit - len(shown))]
    columns = [*map(_lines, shown), *([["|"] * len(_lines(shown[0]))] if len(beside) else [])]
    for row in zip(*columns, *map(_lines, beside), strict=True):
        yield " ".join(row)
    left_out = len(support) + len(query) - len(shown) - len(beside)
    if left_out:
        yield f"({left_out} more in a picture: --out F.png)"


def _lines(image: NDArray[np.float32]) -> list[str]:
    return braille(image >= INK)


def _of_class(examples: ShownExamples, label: int) -> NDArray[np.float32]:
    assert examples.images is not None
    images: NDArray[np.float32] = examples.images[examples.y == label]
    return images


def _table(task: BankTask) -> None:
    width = task.support.x[0].size
    names = ["x"] if width == 1 else [f"x{i}" for i in range(min(width, MOST_COLUMNS))]
    more = ["…"] if width > MOST_COLUMNS else []
    parts = {"support": task.support, "query": task.query}
    rows = [row for name, part in parts.items() for row in _rows(name, part, more)]
    console.table("", ("", *names, *more, "y"), rows)
    for name, part in parts.items():
        if len(part.x) > MOST_ROWS:
            console.data(f"({len(part.x) - MOST_ROWS:,} more {name} examples)")


def _rows(name: str, examples: ShownExamples, more: list[str]) -> Iterator[tuple[str, ...]]:
    for x, y in list(zip(examples.x, examples.y, strict=True))[:MOST_ROWS]:
        inputs = [f"{value:.4g}" for value in x.ravel()[:MOST_COLUMNS].tolist()]
        yield (name, *inputs, *more, ", ".join(f"{value:.4g}" for value in np.ravel(y).tolist()))
