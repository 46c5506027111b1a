"""Tasks as peers draw them: NumPy arrays, a meta-batch at a time.  No torch here."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.suite.works import Work

Array = np.ndarray


class Batch(NamedTuple):
    """The tasks of one meta-iteration, leading axis T.

    `order` (T, K, b) says which support examples each step of Reptile or FOML sees; the others have
    a query set instead.
    """

    support_x: Array
    support_y: Array
    query_x: Array | None
    query_y: Array | None
    order: Array | None


class Draw:
    """Draws one meta-batch after the other.

    Args:
        work: The work item.
        drawings: File with the training drawings, uint8 (characters, drawings, 28, 28).
        seed: Seed of NumPy's generator.
    """

    def __init__(self, work: Work, drawings: Path, seed: int = 0) -> None:
        self._work = work
        self._rng = np.random.default_rng(seed)
        self._drawings = np.load(drawings) if work.images else np.empty(0)

    def __call__(self) -> Batch:
        """Return the next meta-batch."""
        if self._work.images:
            return self._images()
        return self._mini_batches() if self._work.mini_batches else self._sinusoids()

    def _waves(self, points: int) -> tuple[Array, Array]:
        tasks = self._work.meta_batch
        amplitude = self._rng.uniform(0.1, 5.0, (tasks, 1, 1))
        phase = self._rng.uniform(0.0, np.pi, (tasks, 1, 1))
        x = self._rng.uniform(-5.0, 5.0, (tasks, points, 1))
        return x.astype(np.float32), (amplitude * np.sin(x - phase)).astype(np.float32)

    def _sinusoids(self) -> Batch:
        shots = self._work.tasks["k_shot"]
        x, y = self._waves(shots + self._work.tasks["q_query"])
        return Batch(x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:], None)

    def _mini_batches(self) -> Batch:
        tasks, shots = self._work.meta_batch, self._work.params["train_shots"]
        x, y = self._waves(shots)
        rows = np.broadcast_to(np.arange(shots), (tasks, shots))
        order = self._rng.permuted(rows, axis=1).reshape(tasks, self._work.steps, -1)
        return Batch(x, y, None, None, order)

    def _images(self) -> Batch:
        tasks, way = self._work.meta_batch, self._work.tasks["n_way"]
        shots = self._work.tasks["k_shot"]
        count = shots + self._work.tasks["q_query"]
        characters, drawings = self._drawings.shape[:2]
        chosen = self._rng.random((tasks, characters)).argpartition(way, axis=1)[:, :way]
        which = self._rng.random((tasks, way, drawings)).argsort(-1)[..., :count]
        greys = self._drawings[chosen[..., None], which].astype(np.float32) / 255
        support, query = (
            part.reshape(tasks, -1, 1, 28, 28)
            for part in (greys[:, :, :shots], greys[:, :, shots:])
        )
        label = np.arange(way)
        labels = [
            np.broadcast_to(label.repeat(k), (tasks, way * k)) for k in (shots, count - shots)
        ]
        return Batch(support, labels[0], query, labels[1], None)


class Example(NamedTuple):
    """Tasks and initial weights on which contenders must agree; weights as metaopt names them."""

    batch: Batch
    weights: dict[str, Array]


def write_example(path: Path, example: Example) -> None:
    """Write an example to a file."""
    arrays = {name: a for name, a in example.batch._asdict().items() if a is not None}
    weights = {f"weights.{name}": a for name, a in example.weights.items()}
    np.savez(path, **arrays, **weights)


def read_example(path: Path) -> Example:
    """Return the example in a file."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    batch = Batch(*(arrays.get(name) for name in Batch._fields))
    marked = "weights."
    return Example(
        batch, {n.removeprefix(marked): a for n, a in arrays.items() if n.startswith(marked)}
    )
