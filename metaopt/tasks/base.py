"""What a task distribution is: episodes drawn on the device from keys.

A `Tasks` object has data and ranges but no randomness: `sample(split, keys, …)` is a pure
function, so a task is the same for whoever draws it, whatever stands beside it in the batch.
Leading axes B of the keys (lanes, tasks) are leading axes of the episodes.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from metaopt.data.raw.preparation import Preparation
from metaopt.metrics.kinds.cross_entropy import cross_entropy
from metaopt.metrics.kinds.mse import mse
from metaopt.tasks.description import Description
from metaopt.tasks.kind import SPLITS as SPLITS


class Examples(NamedTuple):
    """Inputs `x` (*B, N, ...) and targets `y`: (*B, N, 1) numbers, or (*B, N) class indices."""

    x: Tensor
    y: Tensor


class Episodes(NamedTuple):
    """Examples to adapt on, and examples to be judged on."""

    support: Examples
    query: Examples


class Tasks(Protocol):
    """A task distribution on a device."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        ...

    @property
    def outputs(self) -> int:
        """The width of the model's output."""
        ...

    @property
    def classification(self) -> bool:
        """Whether targets are class indices."""
        ...

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key.

        Args:
            split: "train", "validation" or "test".
            keys: int64 (*B,).
            k_shot: Support examples per class (per task in regression), >= 0.
            q_query: Query examples per class (per task in regression), >= 0.

        Returns:
            Episodes with N = ways · shots examples and leading axes B.

        Raises:
            InvalidTasks: unknown split, or more shots than the data have.
        """
        ...


@runtime_checkable
class SelfDescribing(Protocol):
    """Tasks that say what one of them is; others are shown by their examples alone."""

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say what the task is that `sample` draws with the same arguments.

        Args:
            key: int64, 0-d.
        """
        ...


class Unit(NamedTuple):
    """The unit of the numbers to predict, where episodes have them normalised or it is large.

    Args:
        scale: (C,); the numbers of an episode times this are in the unit of the data.
        spread: Of all numbers for meta-training in that unit: the root of the mean of their C
            variances.
    """

    scale: Tensor
    spread: float


@runtime_checkable
class InUnits(Protocol):
    """Tasks whose numbers have a unit; the scores of others are in that of their episodes."""

    @property
    def target_unit(self) -> Unit | None:
        """That of the numbers to predict; None of classes."""
        ...


@runtime_checkable
class WithLoss(Protocol):
    """Tasks that are trained on a loss of their own; others on cross-entropy or squared error."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss of each task (*B,), for outputs (*B, N, C) and targets y (*B, N, …)."""
        ...


@runtime_checkable
class Interactive(Protocol):
    """Tasks that are acted in: what data there are depends on the model.

    An example is one trajectory before anybody acts in it: `x` (*B, N, H, A) is the noise ε of its
    H actions, standard normal, and `y` (*B, N, G) what the task is.  A model is a policy,
    a = μ_θ(s) + σ ε; a state is what it sees, a vector of D numbers.  The learner acts, and learns
    from what that earns (`metaopt.algorithms.policy`).
    """

    @property
    def noise(self) -> float:
        """σ > 0."""
        ...

    @property
    def discount(self) -> float:
        """γ in [0, 1], of the returns that a policy gradient is of; scores have none."""
        ...

    def start(self, examples: Examples) -> Tensor:
        """The first state of each trajectory (*B, N, D)."""
        ...

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """The next state (*B, N, D) after an action (*B, N, A)."""
        ...

    def rewards(self, states: Tensor, examples: Examples) -> tuple[Tensor, Tensor]:
        """The reward of each action, and 1 where its trajectory had not ended before, else 0.

        Args:
            states: (*B, N, H + 1, D); what comes after the end of a trajectory has no meaning.

        Returns:
            Both (*B, N, H); rewards after the end are 0.
        """
        ...


@runtime_checkable
class OfOtherWays(Protocol):
    """Tasks whose classes are drawn from more, so that training may ask for another number."""

    def with_ways(self, split: str, n_way: int) -> Tasks:
        """The same tasks of a split with so many classes.

        Raises:
            InvalidTasks: the split has fewer classes, or these tasks have classes of their own.
        """
        ...


@runtime_checkable
class NumberedClasses(Protocol):
    """Tasks whose classes are those of a split, numbered: an example has a class beyond its task.

    Where every task tells the same classes apart, those are all there are.
    """

    def class_count(self, split: str) -> int:
        """How many classes the tasks of a split are drawn from."""
        ...

    def class_numbers(self, split: str, keys: Tensor) -> Tensor:
        """Return which of them each class of a task is: int64 (*B, ways), below `class_count`.

        Args:
            split: "train", "validation" or "test".
            keys: int64 (*B,), of the tasks that `sample` draws with them.
        """
        ...


@runtime_checkable
class Prepared(Protocol):
    """Tasks on data that somebody has: how those became examples; of others there is nothing."""

    @property
    def preparation(self) -> Preparation:
        """How data become inputs, and outputs numbers in the unit of the data."""
        ...


def mean_loss(outputs: Tensor, y: Tensor, *, classification: bool) -> Tensor:
    """The mean loss over examples: cross-entropy, or squared error.

    Args:
        outputs: (*B, N, C).
        y: (*B, N) class indices, or (*B, N, C) numbers.

    Returns:
        (*B,).  The mean is over all N examples (and C numbers); codes that sum over the N_way
        classes have losses and gradients N_way times as large (docs/meta-learning.md).
    """
    return cross_entropy(outputs, y) if classification else mse(outputs, y)
