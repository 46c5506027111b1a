"""Which tasks of a bank are hardest for a trained model, and which classes, with their pictures.

Every task is adapted to once more as it was scored, and what the model answers is kept: a task's
score alone does not say which class was taken for which.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.data.raw.png import pictures, png
from metaopt.data.raw.preparation import Moments, Preparation
from metaopt.evaluation.adapted_task import (
    CURVE_POINTS,
    ClassifiedTask,
    Curve,
    PredictedTask,
    ShownExample,
    ShownPoint,
)
from metaopt.evaluation.bank import TASK_CHUNK, BankSpec
from metaopt.evaluation.curve import adapt, draw, task_keys
from metaopt.evaluation.evaluate import Trained
from metaopt.evaluation.hard_tasks import HardClass, Hardest, HardTask
from metaopt.models.base import Params
from metaopt.tasks.base import Episodes, Examples, Prepared, SelfDescribing
from metaopt.tasks.description import Description
from metaopt.tasks.scoring import Scoring, scoring_of

MOST_TASKS = 1000
SHOWN_TASKS = 3
SHOWN_CLASSES = 8
SHOWN_QUERIES = 16
SHOWN_SUPPORT = 30
SHOWN_POINTS = 100
MOST_SIDE = 48
"""Of a picture in pixels: what is larger is shrunk, so that a report stays small."""


def hardest(
    trained: Trained, bank: BankSpec, between: Callable[[], object] = lambda: None
) -> Hardest:
    """The hardest tasks and classes of one trained trial.

    Args:
        trained: Of one trial.
        bank: Which tasks; of many only the first `MOST_TASKS` are looked at.
        between: Called after each inner step of a few tasks; what it raises ends it.

    Raises:
        InvalidTasks: The bank and the tasks do not fit.
    """
    count = min(bank.tasks, MOST_TASKS)
    look = _Look(trained, replace(bank, tasks=count), between)
    scores: list[float] = []
    tally = _Tally()
    for start in range(0, count, TASK_CHUNK):
        answers = look.at(start, TASK_CHUNK)
        scores += answers.scores.tolist()
        if trained.learner.classification:
            tally.add(look, answers, start)
    worst = sorted(range(count), key=lambda task: (look.loss(scores[task]), -task), reverse=True)
    return Hardest(count, _shown(look, worst), tally.worst(), len(tally.right))


def _shown(look: "_Look", worst: Sequence[int]) -> list[HardTask]:
    """The first few tasks; of a table's task that comes again with other examples the first."""
    of_numbers = not look.trained.learner.classification
    shown: list[HardTask] = []
    names: set[tuple[str, ...]] = set()
    for number in worst:
        if len(shown) == SHOWN_TASKS:
            break
        own = look.describe(number).names
        if not (of_numbers and own and own in names):
            shown.append(look.task(number))
            names.add(own)
    return shown


class _Answers(NamedTuple):
    """What a model says of T tasks: outputs (T, Q, C), scores and which diverged (T,)."""

    episodes: Episodes
    outputs: Tensor
    scores: Tensor
    diverged: Tensor


@dataclass(frozen=True)
class _Look:
    trained: Trained
    bank: BankSpec
    between: Callable[[], object]

    @property
    def scoring(self) -> Scoring:
        return scoring_of(self.trained.tasks, self.bank.metric or self.trained.metric)

    @property
    def preparation(self) -> Preparation | None:
        tasks = self.trained.tasks
        return tasks.preparation if isinstance(tasks, Prepared) else None

    def loss(self, score: float) -> float:
        return -score if self.scoring.metric.maximize else score

    def at(self, start: int, count: int) -> _Answers:
        """What the model says of `count` tasks from `start` on, adapted as it was scored."""
        trained, bank = self.trained, self.bank
        episodes = draw(trained.tasks, bank, trained.phi.device, start, count)
        theta = self.theta(episodes.support, int(trained.test_steps[0]))
        outputs = self.judged(theta, episodes)
        scores = self.scoring.scores(outputs, episodes.query.y)
        broken = self.scoring.broken(scores)
        scores = scores.masked_fill(broken, self.scoring.diverged)
        return _Answers(episodes, outputs, scores, broken)

    def theta(self, support: Examples, steps: int) -> Params:
        learner, phi = self.trained.learner, self.trained.phi
        how = self.trained.adaptation
        return adapt(learner, phi, support, how, steps=steps, between=self.between)

    @torch.no_grad()
    def judged(self, theta: Params, episodes: Episodes) -> Tensor:
        learner: Learner = self.trained.learner
        return learner.judged(theta, *episodes, transductive=self.bank.transductive)[0]

    @torch.no_grad()
    def outputs(self, theta: Params, support: Examples, x: Tensor) -> Tensor:
        learner: Learner = self.trained.learner
        outputs = learner.answers(theta, support, x, transductive=self.bank.transductive)
        return outputs[0]

    def describe(self, number: int) -> Description:
        tasks, bank = self.trained.tasks, self.bank
        if not isinstance(tasks, SelfDescribing):
            return Description()
        key = task_keys(bank, torch.tensor(number, device=self.trained.phi.device))
        return tasks.describe(bank.split, key, bank.k_shot, bank.q_query)

    def task(self, number: int) -> HardTask:
        """A task with what the model makes of its examples."""
        answers, description = self.at(number, 1), self.describe(number)
        told = HardTask(number, float(answers.scores[0]), description.sentence)
        if bool(answers.diverged[0]):
            return replace(told, diverged=True)
        if self.trained.learner.classification:
            return replace(told, classified=self._classified(answers, description))
        if self.trained.learner.environment is not None:  # there are no examples to be shown
            return told
        return replace(told, predicted=self._predicted(answers))

    def _classified(self, answers: _Answers, description: Description) -> ClassifiedTask:
        shares, taken = answers.outputs[0].double().softmax(-1).max(-1)
        truth = answers.episodes.query.y[0]
        order = sorted(
            range(len(truth)),
            key=lambda i: (i, 0.0) if taken[i] == truth[i] else (-1, -float(shares[i])),
        )
        shown = order[:SHOWN_QUERIES]
        wanted = {int(part[i]) for i in shown for part in (taken, truth)}
        support = answers.episodes.support
        of = support.y[0].tolist()
        beside = [i for i, label in enumerate(of) if label in wanted][:SHOWN_SUPPORT]
        seen = self.pngs(support.x[0, beside], description)
        asked = self.pngs(answers.episodes.query.x[0, shown], description)
        return ClassifiedTask(
            names_of(description, answers.outputs.shape[-1]),
            [ShownExample(of[i], one) for i, one in zip(beside, seen, strict=True)],
            [
                ShownExample(int(truth[i]), one, "", int(taken[i]), float(shares[i]))
                for i, one in zip(shown, asked, strict=True)
            ],
            len(order) - len(shown),
        )

    def pngs(self, x: Tensor, description: Description) -> list[str]:
        """Base64 of pictures of inputs (N, *input shape); "" of what is none."""
        return [base64.b64encode(one).decode() for one in self._pictures(x, description)]

    def _pictures(self, x: Tensor, description: Description) -> list[bytes]:
        inputs: NDArray[Any] = x.double().cpu().numpy()
        data = self.preparation
        if data is not None and data.kind == "images" and x.dim() == 4 and x.shape[1] in (1, 3):
            return pictures(_raw(inputs, data.inputs), data, most=MOST_SIDE)
        if description.ink is None or not len(inputs):
            return [b""] * len(inputs)
        ink = np.clip(description.ink(inputs), 0.0, 1.0)
        return [png(np.round(255 * (1 - one)).astype(np.uint8)) for one in ink]

    def _predicted(self, answers: _Answers) -> PredictedTask:
        support, query = answers.episodes
        before = self.theta(support, 0)
        after = self.theta(support, int(self.trained.test_steps[0]))
        data = self.preparation
        x = [self._x(part.x[0, :SHOWN_POINTS]) for part in (support, query)]
        y = [self._y(part.y[0, :SHOWN_POINTS]) for part in (support, query)]
        told = [
            self._y(self.outputs(theta, support, query.x)[0, :SHOWN_POINTS])
            for theta in (before, after)
        ]
        curve = None
        if tuple(self.trained.tasks.input_shape) == (1,):
            both = torch.cat([support.x[0], query.x[0]])
            low, high = both.min(), both.max()
            steps = torch.linspace(0, 1, CURVE_POINTS, dtype=both.dtype, device=both.device)
            grid = (low + (high - low) * steps)[None, :, None]
            lines = [
                [row[0] for row in self._y(self.outputs(theta, support, grid)[0])]
                for theta in (before, after)
            ]
            curve = Curve([row[0] for row in self._x(grid[0])], *lines)
        return PredictedTask(
            [ShownPoint(*pair) for pair in zip(x[0], y[0], strict=True)],
            [ShownPoint(*each) for each in zip(x[1], y[1], *told, strict=True)],
            curve,
            [] if data is None else list(data.features),
            [] if data is None else list(data.targets),
        )

    def _x(self, inputs: Tensor) -> list[list[float]]:
        data = self.preparation
        return _numbers(inputs, None if data is None else data.inputs)

    def _y(self, numbers: Tensor) -> list[list[float]]:
        data = self.preparation
        return _numbers(numbers, None if data is None else data.numbers)


@dataclass
class _Tally:
    """Counts by name of class, over tasks."""

    right: Counter[str] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    taken: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    pngs: dict[str, tuple[_Look, Tensor, Description]] = field(default_factory=dict)

    def add(self, look: _Look, answers: _Answers, start: int) -> None:
        """Count what was said in a few tasks; where adaptation diverged that is nothing."""
        taken, truth = answers.outputs.argmax(-1).tolist(), answers.episodes.query.y.tolist()
        diverged = answers.diverged.tolist()
        for place, (said, wanted) in enumerate(zip(taken, truth, strict=True)):
            description = look.describe(start + place)
            if not description.names:
                return
            if diverged[place]:
                said = [-1] * len(said)
            self._task(description.names, said, wanted)
            for name, x in _first_of_each(description.names, answers.episodes.query, place):
                if name not in self.pngs:
                    self.pngs[name] = (look, x.clone(), description)

    def _task(self, names: Sequence[str], said: Sequence[int], wanted: Sequence[int]) -> None:
        for label in set(wanted):
            self.tasks[names[label]] += 1
        for taken, label in zip(said, wanted, strict=True):
            name = names[label]
            self.examples[name] += 1
            self.right[name] += taken == label
            if taken != label and taken >= 0:
                self.taken[name][names[taken]] += 1

    def worst(self) -> list[HardClass]:
        """Classes that are not always recognised, by the most that the share that is may be."""
        missed = [name for name, count in self.examples.items() if self.right[name] < count]
        order = sorted(missed, key=lambda n: (_at_most(self.right[n], self.examples[n]), n))
        return [self._class(name) for name in order[:SHOWN_CLASSES]]

    def _class(self, name: str) -> HardClass:
        other, taken = next(iter(self.taken[name].most_common(1)), (None, 0))
        look, x, description = self.pngs[name]
        (picture,) = look.pngs(x[None], description)
        return HardClass(
            name, self.right[name], self.examples[name], self.tasks[name], other, taken, picture
        )


def _first_of_each(
    names: Sequence[str], query: Examples, place: int
) -> Iterator[tuple[str, Tensor]]:
    seen = set()
    for row, label in enumerate(query.y[place].tolist()):
        if label not in seen:
            seen.add(label)
            yield names[label], query.x[place, row]


def _at_most(right: int, examples: int) -> float:
    """The upper end of the 95 % interval of a share, so that few examples are no proof.

    Reference:
        Wilson (1927), Journal of the American Statistical Association 22(158).
    """
    z, share = 1.96, right / examples
    spread = z * (share * (1 - share) / examples + z**2 / (4 * examples**2)) ** 0.5
    return float((share + z**2 / (2 * examples) + spread) / (1 + z**2 / examples))


def names_of(description: Description, classes: int) -> list[str]:
    """What the classes of a task are called; by their number where nobody says."""
    return list(description.names) or [f"class {label}" for label in range(classes)]


def _raw(inputs: NDArray[Any], moments: Moments) -> NDArray[Any]:
    """σ z + μ of inputs (N, C, …): values as packed."""
    axes = (-1, *[1] * (inputs.ndim - 2))
    mean, deviation = (np.array(part).reshape(axes) for part in moments)
    values: NDArray[Any] = inputs * deviation + mean
    return values


def _numbers(values: Tensor, moments: Moments | None) -> list[list[float]]:
    """Rows of numbers in the unit of the data."""
    array: NDArray[Any] = values.double().cpu().numpy()
    if moments is not None:
        array = _raw(array, moments)
    rows: list[list[float]] = array.reshape(len(array), -1).tolist()
    return rows
