"""The task bank: which tasks every trial of a study is judged on.

Task i of a bank is a function of (data set, split, seed, i), so the bank is the same on every
call, for every trial, on every worker.  This module needs no torch: the dispatcher names banks,
workers draw them (`metaopt.evaluation.curve.draw`).
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from metaopt.errors import InvalidTasks
from metaopt.messages import did_you_mean, shown
from metaopt.metrics.registry import METRICS
from metaopt.plain import whole
from metaopt.tasks.kind import SPLITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BOUNDS = (
    ("seed", 0, 2**63 - 1),
    ("tasks", 1, 10_000_000),
    ("k_shot", 0, 10_000),
    ("q_query", 1, 10_000),
    ("steps", 0, 10_000),
)

TASK_CHUNK = 100
"""Tasks drawn and adapted at once: bounds memory, changes no task's score."""


class ShownExamples(NamedTuple):
    """Examples of a task for somebody to look at.

    Args:
        x: Inputs (N, *input shape).
        y: Class indices (N,), or numbers (N, 1).
        images: Ink (N, height, width) in [0, 1], or None where inputs are no images.
    """

    x: "NDArray[Any]"
    y: "NDArray[Any]"
    images: "NDArray[Any] | None"


class BankTask(NamedTuple):
    """One task of a bank for somebody to look at (`metaopt.evaluation.bank_task` draws it).

    Args:
        number: Its place in the bank, from 0.
        sentence, classes: Of its `metaopt.tasks.description.Description`.
        support, query: Its examples; none of tasks that are acted in.
    """

    number: int
    sentence: str
    classes: tuple[str, ...]
    support: ShownExamples
    query: ShownExamples


@dataclass(frozen=True)
class BankSpec:
    """A named set of tasks and how a model is adapted to them.

    Args:
        split: "train", "validation" or "test".
        seed: Seed of the bank, 0 <= seed < 2**63.
        tasks: Number of tasks T >= 1.
        k_shot: Support examples per class (per task in regression), >= 0.
        q_query: Query examples per class (per task in regression), >= 1.
        steps: Inner steps of the adaptation curve, >= 0; scores are kept at 0…steps.
        transductive: Batch norm takes its statistics from the query examples together, else
            from the support examples.  Training takes them from the batch either way.
        metric: What tasks are scored by (`metaopt.metrics`); None is what they were trained to be.

    Raises:
        InvalidTasks: a field breaks its rule.
    """

    split: str
    seed: int
    tasks: int
    k_shot: int
    q_query: int
    steps: int
    transductive: bool = True
    metric: str | None = None

    def __post_init__(self) -> None:
        """Check every field; numbers of numpy and torch are as good.

        Raises:
            InvalidTasks: one breaks its rule.
        """
        if not isinstance(self.split, str) or self.split not in SPLITS:
            meant = did_you_mean(self.split, SPLITS)
            rule = f"must be one of {', '.join(SPLITS)}, got {shown(self.split)}{meant}"
            raise InvalidTasks(f"split of a bank {rule}")
        for name, least, most in _BOUNDS:
            number = whole(f"{name} of a bank", getattr(self, name), least, most, InvalidTasks)
            object.__setattr__(self, name, number)
        if not isinstance(self.transductive, bool):
            rule = f"must be True or False, got {shown(self.transductive)}"
            raise InvalidTasks(f"transductive of a bank {rule}")
        if self.metric is not None:
            METRICS.get(self.metric).check_queries(self.q_query)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; without a metric of its own it is that of earlier versions."""
        data = asdict(self)
        if self.metric is None:
            del data["metric"]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "BankSpec":
        """The bank that `to_json` gave."""
        return cls(**data)
