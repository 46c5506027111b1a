"""A trial by itself, for what it costs whatever its neighbours (`metaopt.costs`).

Lanes are trained and evaluated together, so what they take together says little about one of them:
costs are measured on one lane alone, beside the training.  Nothing of it is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import adapt, draw
from metaopt.evaluation.evaluate import Trained
from metaopt.population.lanes import Lanes
from metaopt.population.step import Program, meta_iteration
from metaopt.population.step import draw as draw_tasks

FIRST = 2  # query examples that are answered: one by itself has no batch statistics


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
        """A call that takes the support set of the bank's first task to the first answers."""
        trained, learner = self.trained, self.trained.learner
        support, query = draw(trained.tasks, self.bank, trained.phi.device, 0, 1)
        first, steps = query.x[:, :FIRST], int(trained.test_steps[0])

        def call() -> object:
            theta = adapt(learner, trained.phi, support, trained.adaptation, steps=steps)
            with torch.no_grad():
                return learner.answers(theta, support, first, transductive=self.bank.transductive)

        return call

    def meta_iteration(self) -> object:
        """Draw a meta-batch and compute one meta-iteration, eager."""
        return meta_iteration(self.program, self.lane, draw_tasks(self.program, self.lane, 1).at(0))

    def tensors(self) -> Iterable[Tensor]:
        """The lane's state."""
        return self.lane.tensors().values()
