"""A trial by itself, for what it costs whatever its neighbours (`metaopt.costs`).

Lanes are trained and evaluated together, so what they take together says little about one of them:
costs are measured on one lane alone, beside the training.  Nothing of it is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import adapt, draw
from metaopt.evaluation.evaluate import Trained
from metaopt.population.lanes import Lanes
from metaopt.population.step import Program, meta_iteration
from metaopt.population.step import draw as draw_tasks


@dataclass(frozen=True)
class LaneAlone:
    """One lane, as cost metrics see it (`metaopt.costs.metric.TrialAlone`).

    Args:
        program: Of its population.
        lane: A copy of one lane, H = 1: its bytes count as the trial's.
        trained: The same trial, for the evaluation.
        bank: Its task 0 is adapted to.
    """

    program: Program
    lane: Lanes
    trained: Trained
    bank: BankSpec

    def adaptation(self) -> Callable[[], object]:
        """A call that adapts to the support set of the bank's first task, which is drawn now."""
        trained = self.trained
        support = draw(trained.tasks, self.bank, trained.phi.device, 0, 1).support
        steps = int(trained.test_steps[0])

        def call() -> object:
            return adapt(
                trained.learner,
                trained.phi,
                support,
                trained.adaptation,
                steps=steps,
            )

        return call

    def meta_iteration(self) -> object:
        """Draw a meta-batch and compute one meta-iteration, eager."""
        return meta_iteration(self.program, self.lane, draw_tasks(self.program, self.lane, 1).at(0))

    def tensors(self) -> Iterable[Tensor]:
        """The lane's state."""
        return self.lane.tensors().values()
