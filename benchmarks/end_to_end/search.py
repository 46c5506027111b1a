"""The search that both do.  The peers' Python imports this too: nothing of ours may be here."""

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.suite.works import Work, find

Json = dict[str, Any]
INNER_LR = {"low": 0.003, "high": 0.03, "log": True}
OUTER_LR = {"low": 0.001, "high": 0.02, "log": True}
VALIDATION_TASKS = 100


@dataclass(frozen=True)
class Search:
    """What both do, in `processes` of one thread each."""

    trials: int
    meta_iterations: int
    inner_steps: int
    processes: int

    @property
    def work(self) -> Work:
        """Return tasks, model and the parameters that are not searched."""
        one = find("sinusoid_second_1")
        return replace(one, params={**one.params, "inner_steps": self.inner_steps})
