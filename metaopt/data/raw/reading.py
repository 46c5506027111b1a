"""From a path to examples for a model: pictures, rows of a CSV file, or arrays of an .npz file."""

from math import prod
from pathlib import Path
from typing import Any

from metaopt.data.raw.given import Given
from metaopt.data.raw.pictures import are_pictures, read_pictures
from metaopt.data.raw.preparation import Preparation
from metaopt.data.raw.rows import read_rows
from metaopt.errors import InvalidExamples

FORMS = "a .csv file with one example in a row, or an .npz file with arrays x and y"
PICTURES = "a folder or a zip with a folder of pictures for each class, or an .npz file"


def read_given(
    path: Path,
    preparation: Preparation | None,
    *,
    input_shape: tuple[int, ...],
    outputs: int,
    classification: bool,
) -> Given:
    """The examples at a path.

    Args:
        preparation: How the model's data were packed; None of tasks that are nobody's data.
        input_shape: Of one input.
        outputs: Classes, or numbers to predict.
        classification: Which of them.

    Raises:
        InvalidData, InvalidExamples: They cannot be read, or are others than the model takes.
    """
    kind = None if preparation is None else preparation.kind
    if not path.exists():
        raise InvalidExamples(f"there is nothing at {path}")
    if are_pictures(path):
        if preparation is None or kind != "images":
            takes = f"{prod(input_shape)} number(s)" if preparation is None else f"a {kind}"
            raise InvalidExamples(
                f"{path} holds pictures, and the winner takes {takes}: give it {FORMS}"
            )
        return read_pictures(path, preparation)
    if path.suffix.lower() == ".npz":
        return _arrays(path, classification)
    if preparation is not None and kind in ("table", "text"):
        return read_rows(path, preparation, outputs=0 if classification else outputs)
    return _plain_rows(path, prod(input_shape), 1 if classification else outputs, classification)


def _arrays(path: Path, classification: bool) -> Given:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError) as error:
        raise InvalidExamples(f"{path} must be {FORMS}: {error}") from None
    if "x" not in arrays:
        raise InvalidExamples(f"{path} must have an array x, got {', '.join(arrays) or 'none'}")
    y = arrays.get("y")
    if y is not None and classification and y.dtype.kind in "US" and y.ndim == 1:
        return Given(arrays["x"], [str(name) for name in y.astype(str)])
    return Given(arrays["x"], y=y)


def _plain_rows(path: Path, inputs: int, targets: int, classification: bool) -> Given:
    """Rows of numbers without names: inputs, then targets if they are known."""
    import numpy as np

    try:
        rows: Any = np.loadtxt(path, delimiter=",", ndmin=2, comments="#", encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InvalidExamples(f"{path} must be {FORMS}: {error}") from None
    if rows.shape[1] != inputs + targets:
        return Given(rows)
    y = rows[:, inputs:]
    return Given(rows[:, :inputs], y=y[:, 0] if classification else y)
