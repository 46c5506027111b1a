"""A study's winner in use: its model, its weights, and how they are adapted to a new task.

    winner = read_winner("winner.safetensors")
    predicted = winner.adapt(support_x, support_y).predict(query_x)

Where the card says how data became inputs, examples are given as they were packed and predictions
are in the unit of the data.

Inner steps are those of training and of the verdict: gradient descent (or Adam with β1 = 0, with
the memory it had at the end of training) on the mean loss of the support set.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.inner_step import inner_step_of
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.make import Asked, make_learner
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.data.ngrams import vectors
from metaopt.data.raw.preparation import Moments, Preparation
from metaopt.errors import CorruptModel, InvalidExamples, InvalidTasks, MetaoptError
from metaopt.evaluation.curve import Adaptation, adapt
from metaopt.messages import shown
from metaopt.models.base import Model, Params
from metaopt.models.registry import MODELS
from metaopt.plain import whole
from metaopt.plugins.loaded import check_plugins
from metaopt.population.model_file import Card, read
from metaopt.tasks.base import Examples, Interactive
from metaopt.tasks.losses import Loss
from metaopt.tasks.make import make_tasks
from metaopt.tasks.registry import TASKS

MOST_STEPS = 1_000_000

Rows = Tensor | Sequence[object]
"""Numbers as a tensor or as nested sequences."""


@dataclass(frozen=True)
class Winner:
    """A trained model and its adaptation recipe.

    Args:
        card: What it is: algorithm, meta-hyperparameters, shapes, steps.
        weights: Meta-parameters by name.
        inner: Inner Adam's memory, or None for SGD.
    """

    card: Card
    weights: Params
    inner: InnerState | None

    def apply(self, weights: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return outputs (N, C) of the model with these weights for inputs x (N, …).

        Args:
            weights: By name, without leading axes.
            x: Inputs as the model takes them (`inputs`).
            reference: Batch norm takes its statistics from the first `reference` inputs; None from
                all of them.
        """
        learner = self.learner()
        batched = {name: p[None] for name, p in weights.items()}
        return learner.outputs(batched, x[None], reference)[0]

    def adapt(self, x: Rows, y: Rows, *, steps: int | None = None) -> "Adapted":
        """The model adapted to a task.

        Args:
            x: Support inputs (S, *input shape); S may be 0 where the algorithm needs none, as cnp.
                Of a policy the noise of S trajectories of H actions (S, H, A), standard normal: it
                adapts by acting in its tasks' simulation.
            y: Targets: class numbers 0 … C − 1 (S,), or numbers (S, C), in the unit of the data.
                Of a policy what the task is, for each trajectory, e.g. the goal (S, 2).
            steps: Inner steps; None takes those after which the study scored it.

        Raises:
            InvalidExamples: they do not fit the model, or `steps` is not in 0…1,000,000.
        """
        support = self._support(x, y)
        if steps is None:
            steps = self.card.steps
        steps = whole("steps", steps, 0, MOST_STEPS, InvalidExamples)
        learner = self.learner()
        theta = adapt(
            learner,
            learner.layout.flatten({name: p[None] for name, p in self.weights.items()}),
            Examples(support.x[None], support.y[None]),
            self._adaptation(),
            steps=steps,
        )
        return Adapted(self, {name: p[0, 0].detach() for name, p in theta.items()}, support)

    def model(self) -> Model:
        """Return the function that weights of a model belong to.

        Raises:
            InvalidModel: a kind that is not here, as somebody's own.
        """
        return self._learner(None, None).model

    def learner(self) -> Learner:
        """Return what the weights belong to, and how it adapts and answers.

        Raises:
            InvalidModel: a model of a kind that is not here, as somebody's own.
            InvalidMetaParameter: no such algorithm here, or not with such meta-parameters.
            InvalidTasks: a loss, or a simulation, of tasks that are not here.
        """
        return self._learner(self._loss(), self._environment())

    def _learner(self, loss: Loss | None, environment: Interactive | None) -> Learner:
        card, algorithm = self.card, ALGORITHMS.get(self.card.algorithm)
        shapes = (tuple(card.input_shape), card.outputs)
        asked = Asked(*shapes, card.classification, loss, environment, card.train_classes)
        model = {name: value for name, value in card.model.items() if name != "precision"}
        options = algorithm.structure(algorithm.complete(card.params))
        return make_learner(algorithm, options, model, asked)

    def _loss(self) -> Loss | None:
        if not self.card.own_loss:
            return None
        kind = self.card.tasks.get("kind")
        loss = TASKS.get(kind).loss if kind in TASKS.names() else None
        if loss is None:
            raise InvalidTasks(
                f"the model adapts by the loss of tasks {shown(kind)}, which are not here: load "
                "their package or file with metaopt.load_plugins, or add a TaskKind of that name "
                "and loss with TASKS.add"
            )
        return loss

    def _environment(self) -> Interactive | None:
        """What a policy acts in."""
        if not self.card.acts:
            return None
        tasks, kind = self.card.tasks, self.card.tasks.get("kind")
        if kind not in TASKS.names():
            raise InvalidTasks(
                f"the model adapts by acting in tasks {shown(kind)}, which are not here: load "
                "their package or file with metaopt.load_plugins, or add a TaskKind of that name "
                "with TASKS.add"
            )
        made = make_tasks(tasks, dtype=self._dtype)
        return made if isinstance(made, Interactive) else None

    def _adaptation(self) -> Adaptation:
        algorithm = ALGORITHMS.get(self.card.algorithm)
        numbers = {
            param.name: torch.tensor([self.card.params[param.name]], dtype=self._dtype)
            for param in algorithm.params
            if param.lane and param.name in self.card.params
        }
        numbers["inner_lr"] = torch.tensor([self.card.inner_lr], dtype=self._dtype)
        return Adaptation(numbers, self._memory(), inner_step_of(algorithm))

    def _memory(self) -> InnerState | None:
        if self.inner is None:
            return None
        v = {name: moment[None] for name, moment in self.inner.v.items()}
        return InnerState(v, self.inner.steps[None])

    def _support(self, x: Rows, y: Rows) -> Examples:
        if self.card.acts:
            return self._episodes(x, y)
        inputs = self.inputs(x)
        card, count = self.card, len(inputs)
        if not count and self._needs_support:
            raise InvalidExamples("a support set needs at least one example, got none")
        if card.classification:
            return Examples(inputs, _classes(y, count, card.outputs))
        targets = _numbers(_tensor(y, "targets"), (count, card.outputs), "targets")
        if card.data is not None and card.data.numbers is not None:
            targets = _scaled(targets, card.data.numbers)
        return Examples(inputs, targets.to(self._dtype))

    @property
    def _needs_support(self) -> bool:
        """Whether it adapts to examples, or takes batch norm's statistics from them."""
        statistics = MODELS.get(self.card.model.get("kind")).batch_statistics
        takes_them = statistics and not self.card.transductive
        return takes_them or ALGORITHMS.get(self.card.algorithm).needs_support

    def _episodes(self, x: Rows, y: Rows) -> Examples:
        noise, told = _tensor(x, "noise"), _tensor(y, "targets")
        asked = f"(S, H, {self.card.outputs})"
        if noise.dim() != 3 or noise.shape[2] != self.card.outputs or not noise.numel():
            raise InvalidExamples(
                f"a policy adapts to the noise of S trajectories of H actions {asked}, as "
                f"torch.randn makes it, got {tuple(noise.shape)}"
            )
        if told.dim() != 2 or len(told) != len(noise):
            raise InvalidExamples(
                f"targets must have a row for each of the {len(noise)} trajectories, got "
                f"{tuple(told.shape)}"
            )
        return Examples(noise.to(self._dtype), told.to(self._dtype))

    def inputs(self, x: Rows) -> Tensor:
        """Return inputs as the model takes them (N, *input shape).

        Args:
            x: As the data were packed: of images values from 0 to 255 with channels first (the
                axis of one channel may be left out), of tables features in the card's order, of
                texts also strings.  Of other tasks what the model takes.

        Raises:
            InvalidExamples: of another shape, or not finite.
        """
        shape, data = tuple(self.card.input_shape), self.card.data
        inputs = _tensor(_features(x, data), "inputs")
        count = inputs.shape[0] if inputs.dim() else 0
        if len(shape) == 3 and shape[0] == 1 and tuple(inputs.shape[1:]) == shape[1:]:
            inputs = inputs[:, None]
        inputs = _numbers(inputs, (count, *shape), "inputs")
        if data is not None:
            inputs = _scaled(inputs, data.inputs)
        return inputs.to(self._dtype)

    def numbers(self, outputs: Tensor) -> Tensor:
        """Return outputs (N, C) as predictions: logits, or numbers in the unit of the data."""
        data = self.card.data
        if data is None or data.numbers is None:
            return outputs
        mean, deviation = (torch.tensor(part, dtype=torch.float64) for part in data.numbers)
        return (outputs.double() * deviation + mean).to(outputs.dtype)

    @property
    def _dtype(self) -> torch.dtype:
        return next(iter(self.weights.values())).dtype


@dataclass(frozen=True)
class Adapted:
    """A model adapted to one task.

    Args:
        winner: Whose.
        weights: After the inner steps, by name.
        support: What it was adapted to; batch norm may take its statistics there.
    """

    winner: Winner
    weights: Params
    support: Examples

    @torch.no_grad()
    def outputs(self, x: Rows) -> Tensor:
        """The model's outputs (N, C) for inputs x (N, *input shape): logits, or numbers.

        A transductive winner takes batch norm's statistics from these inputs together, as it was
        scored; others from the support set.

        Raises:
            InvalidExamples: as `Winner.inputs`.
        """
        winner, support = self.winner, Examples(self.support.x[None], self.support.y[None])
        outputs = winner.learner().answers(
            {name: p[None] for name, p in self.weights.items()},
            support,
            winner.inputs(x)[None],
            transductive=winner.card.transductive,
        )
        return winner.numbers(outputs[0])

    def predict(self, x: Rows) -> Tensor:
        """Return class numbers (N,), or predicted numbers (N, C).

        Raises:
            InvalidExamples: as `Winner.inputs`.
        """
        outputs = self.outputs(x)
        return outputs.argmax(-1) if self.winner.card.classification else outputs


def read_winner(source: bytes | str | os.PathLike[str]) -> Winner:
    """The winner in a model file.

    Args:
        source: The file, as `Client.download`, `metaopt` and `Population.write_model` write it, or
            its bytes.

    Raises:
        CorruptModel: there is no such file, it is no model file or one of a newer format.
        InvalidPlugin: it needs a plug-in that is not loaded here.

    Warns:
        UserWarning: a plug-in that is loaded is not the one that it was trained with.
    """
    winner = _winner(source if isinstance(source, bytes) else _content(source))
    check_plugins(winner.card.plugins, needs_tasks=winner.card.own_loss or winner.card.acts)
    try:
        shapes = winner._learner(None, None).shapes
        fits = {name: tuple(p.shape) for name, p in winner.weights.items()} == shapes
    except (MetaoptError, TypeError, KeyError, AttributeError) as error:
        raise CorruptModel(f"the model file says what no model is: {error}") from None
    if not fits:
        raise CorruptModel("the weights of the model file are not those of the model it names")
    return winner


def _winner(content: bytes) -> Winner:
    model = read(content)
    return Winner(model.card, model.weights, model.inner)


def _content(path: object) -> bytes:
    if not isinstance(path, str | os.PathLike):
        raise CorruptModel(f"a winner is read from a path or from bytes, got {shown(path)}")
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise CorruptModel(f"the model file {shown(path)} cannot be read: {reason}") from None


def _features(x: Rows, data: Preparation | None) -> Rows:
    """Texts as numbers; all else as it is."""
    if data is None or data.kind != "text" or isinstance(x, Tensor):
        return x
    texts = [text for text in x if isinstance(text, str)]
    if not texts or len(texts) < len(x):
        return x
    if blank := [text for text in texts if not text.strip()]:
        raise InvalidExamples(f"a text must not be blank, got {shown(blank[0])}")
    return torch.from_numpy(vectors(texts, len(data.inputs.mean)))


def _scaled(values: Tensor, moments: Moments) -> Tensor:
    """(v − μ) / σ in float64, of (N, C, …)."""
    axes = (-1, *[1] * (values.dim() - 2))
    mean, deviation = (torch.tensor(m, dtype=torch.float64).reshape(axes) for m in moments)
    return (values - mean) / deviation


def _tensor(rows: Rows, what: str) -> Tensor:
    try:
        tensor = torch.as_tensor(rows)
        if tensor.is_complex():
            raise TypeError("complex numbers are none")
        tensor = tensor.to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidExamples(f"{what} must be numbers in rows of equal length: {reason}") from None
    if not bool(tensor.isfinite().all()):
        raise InvalidExamples(f"{what} must be finite numbers")
    return tensor


def _numbers(numbers: Tensor, shape: tuple[int, ...], what: str) -> Tensor:
    if tuple(numbers.shape) != shape:
        count, *rest = shape
        flat = (count, torch.Size(rest).numel())
        if tuple(numbers.shape) == flat or (flat[1] == 1 and tuple(numbers.shape) == (count,)):
            return numbers.reshape(shape)  # flat rows for images, (S,) for (S, 1)
        raise InvalidExamples(f"{what} must have shape {shape}, got {tuple(numbers.shape)}")
    return numbers


def _classes(y: Rows, count: int, classes: int) -> Tensor:
    labels = _numbers(_tensor(y, "targets"), (count,), "targets")
    whole = labels.long()
    if not bool(((whole == labels) & (whole >= 0) & (whole < classes)).all()):
        raise InvalidExamples(
            f"targets must be class numbers from 0 to {classes - 1}, got {labels.tolist()[:10]}"
        )
    return whole
