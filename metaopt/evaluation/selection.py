"""Selection: among which of its models a trial's best is chosen, and on which tasks.

    trained to a rung ──the latest model on meta-validation tasks──▶ better than the best before?
                                                                     then it is the one that counts

The bank is one of meta-validation: what judges a trial must not choose its model.  This module
needs no torch: the dispatcher says what to select by, workers do it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metaopt.evaluation.bank import BankSpec
from metaopt.goals import Statistic


@dataclass(frozen=True)
class Selection:
    """How the best of a trial's models is selected.

    Args:
        bank: Meta-validation tasks.
        tasks_at: The meta-iterations whose models are compared, and on how many tasks of the bank,
            its first ones, each is scored.
        statistic: Of the scores by task, which is compared.
        maximize: Whether a higher score is better.
    """

    bank: BankSpec
    tasks_at: Mapping[int, int]
    statistic: Statistic = "mean"
    maximize: bool = False

    def bank_at(self, meta_iteration: int) -> BankSpec | None:
        """What a model of that meta-iteration is scored on; None if it is not compared."""
        tasks = self.tasks_at.get(meta_iteration)
        return None if tasks is None else replace(self.bank, tasks=tasks)

    def loss(self, scores: Sequence[float]) -> float:
        """What is minimised, of a model's scores by task."""
        import numpy as np  # whoever only says what to select by is without it

        from metaopt.estimation.statistics import locate  # scipy: training alone needs none

        value = locate(np.asarray(scores, dtype=np.float64), self.statistic).value
        return -value if self.maximize else value

    def score(self, loss: float) -> float:
        """The score whose loss this is."""
        return -loss if self.maximize else loss

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "bank": self.bank.to_json(),
            "tasks_at": sorted(self.tasks_at.items()),
            "statistic": self.statistic,
            "maximize": self.maximize,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Selection":
        """The selection that `to_json` gave."""
        bank = BankSpec.from_json(data["bank"])
        return cls(bank, dict(data["tasks_at"]), data["statistic"], data["maximize"])
