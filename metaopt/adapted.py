"""A winner adapted to examples that somebody has, and what it makes of others, to be looked at.

support, query ──read──▶ ──Winner.adapt──▶ ClassifiedTask | PredictedTask
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metaopt.data.raw.given import Given, classes_of, numbered
from metaopt.data.raw.png import pictures
from metaopt.data.raw.reading import read_given
from metaopt.errors import InvalidExamples
from metaopt.evaluation.adapted_task import (
    CURVE_POINTS,
    ClassifiedTask,
    Curve,
    PredictedTask,
    ShownExample,
    ShownPoint,
)
from metaopt.messages import did_you_mean, shown
from metaopt.population.model_file import Card
from metaopt.winner import Winner

MOST_SIDE = 256
"""Pixels of the longer side of a picture that is shown."""


def adapted_to(
    winner: Winner, support: Path, query: Path | None, *, steps: int | None = None
) -> ClassifiedTask | PredictedTask:
    """Adapt a winner to the examples at a path and have it predict those at another.

    Args:
        support: With classes, or with the numbers to predict.
        query: With or without; None predicts the support's own.
        steps: Inner steps; None takes those it was scored with.

    Raises:
        InvalidData, InvalidExamples: Examples cannot be read, or do not fit the winner.
    """
    if winner.card.acts:
        raise InvalidExamples(
            "this model is a policy, which adapts by acting and not from examples in a file: take "
            "metaopt.read_winner(FILE).adapt(noise, goals) in Python (docs/library.md)"
        )
    given = _read(winner.card, support)
    asked = given if query is None else _read(winner.card, query)
    if winner.card.classification:
        return _classified(winner, given, asked, steps)
    return _predicted(winner, given, asked, steps)


def _read(card: Card, path: Path) -> Given:
    return read_given(
        path,
        card.data,
        input_shape=tuple(card.input_shape),
        outputs=card.outputs,
        classification=card.classification,
    )


def _classified(winner: Winner, support: Given, query: Given, steps: int | None) -> ClassifiedTask:
    classes, labels = _labels(winner.card, support)
    adapted = winner.adapt(support.x, labels, steps=steps)
    shares = adapted.outputs(query.x).double().softmax(-1)
    likely, taken = (each.tolist() for each in shares.max(-1))
    truth = _truth(query, classes, len(taken))
    return ClassifiedTask(
        classes=classes,
        support=[
            ShownExample(label, png, name)
            for label, png, name in zip(
                labels, _pngs(winner.card, support), _names(support, len(labels)), strict=True
            )
        ],
        query=[
            ShownExample(label, png, name, predicted, probability)
            for label, png, name, predicted, probability in zip(
                truth,
                _pngs(winner.card, query),
                _names(query, len(taken)),
                taken,
                likely,
                strict=True,
            )
        ],
    )


def _labels(card: Card, support: Given) -> tuple[list[str], list[int]]:
    """The classes, and the place of each support example among them."""
    # Where every task tells the same classes apart, an output means one of them, whoever is there.
    fixed = list(card.data.targets) if card.data is not None else []
    if support.labels is None and support.y is not None:
        given = np.asarray(support.y)
        classes = fixed or [str(label) for label in range(card.outputs)]
        return classes, _whole(given, card.outputs)
    if fixed:
        return fixed, _known(support.labels or (), fixed)
    classes = classes_of(support, card.outputs)
    assert support.labels is not None
    return classes, [classes.index(label) for label in support.labels]


def _known(labels: Sequence[str], classes: Sequence[str]) -> list[int]:
    unknown = [label for label in labels if label not in classes]
    if unknown:
        meant = did_you_mean(unknown[0], classes)
        raise InvalidExamples(
            f"the support set has class {shown(unknown[0])}{meant}; the model tells "
            f"{', '.join(classes)} apart"
        )
    return [classes.index(label) for label in labels]


def _whole(labels: NDArray[Any], classes: int) -> list[int]:
    if labels.ndim != 1 or labels.dtype.kind not in "iuf" or (labels != np.floor(labels)).any():
        raise InvalidExamples(
            f"classes must be a row of numbers from 0 to {classes - 1}, or names, got an array "
            f"{labels.shape} of {labels.dtype}"
        )
    return [int(label) for label in labels]


def _truth(query: Given, classes: Sequence[str], count: int) -> list[int | None]:
    known: list[int] | None = None
    if query.labels is not None:
        known = numbered(query.labels, classes)
    elif query.y is not None:
        known = _whole(np.asarray(query.y), len(classes))
    if known is None:
        return [None] * count
    beyond = [label for label in known if not 0 <= label < len(classes)]
    if len(known) != count or beyond:
        raise InvalidExamples(
            f"the query set must have a class from 0 to {len(classes) - 1} for each of its {count} "
            f"examples, has {beyond[0] if beyond else len(known)}"
        )
    return list(known)


def _pngs(card: Card, given: Given) -> list[str]:
    """Base64 of each picture; "" of what is none."""
    data, shape = card.data, tuple(card.input_shape)
    if data is None or data.kind != "images" or len(shape) != 3:
        return [""] * len(given.x)
    values = np.asarray(given.x).reshape(-1, *shape)
    return [base64.b64encode(one).decode() for one in pictures(values, data, most=MOST_SIDE)]


def _names(given: Given, count: int) -> Sequence[str]:
    return given.names or [""] * count


def _predicted(winner: Winner, support: Given, query: Given, steps: int | None) -> PredictedTask:
    if support.y is None:
        raise InvalidExamples(
            f"the support set must have inputs and then {winner.card.outputs} target(s) in each "
            "row, or columns or an array y that say what is to be predicted"
        )
    before = winner.adapt(support.x, support.y, steps=0)
    after = winner.adapt(support.x, support.y, steps=steps)
    x, y = _rows(support.x), _rows(support.y)
    truth = None if query.y is None else _rows(query.y)
    asked = _rows(query.x)
    if truth is not None and len(truth) != len(asked):
        raise InvalidExamples(f"the query set has {len(asked)} inputs and {len(truth)} targets")
    both = (before.predict(query.x).tolist(), after.predict(query.x).tolist())
    data = winner.card.data
    curve = None
    if tuple(winner.card.input_shape) == (1,):
        grid = np.linspace(*_ends([*x, *asked]), CURVE_POINTS)[:, None]
        lines = [each.predict(torch.from_numpy(grid))[:, 0].tolist() for each in (before, after)]
        curve = Curve(grid[:, 0].tolist(), *lines)
    return PredictedTask(
        support=[ShownPoint(*pair) for pair in zip(x, y, strict=True)],
        query=[
            ShownPoint(x, None if truth is None else truth[row], *predictions)
            for row, (x, *predictions) in enumerate(zip(asked, *both, strict=True))
        ],
        curve=curve,
        inputs=[] if data is None else list(data.features),
        targets=[] if data is None else list(data.targets),
    )


def _rows(values: Any) -> list[list[float]]:
    """(N, …) as N rows of numbers."""
    array = torch.as_tensor(values).double()
    rows: list[list[float]] = array.reshape(len(array), -1).tolist()
    return rows


def _ends(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    low, high = min(row[0] for row in rows), max(row[0] for row in rows)
    return (low, high) if high > low else (low - 1.0, high + 1.0)
