"""The plain loop of the family's algorithms, a trial with torch's own Adam."""

import numpy as np
import torch
from torch import Tensor

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Example, Setting, Work
from benchmarks.suite.contenders.ours import make_population
from benchmarks.suite.contenders.plain import GRADIENTS, LOSSES, POOLED, Weights
from benchmarks.suite.tasks import Batch, Draw


class FamilyLoop(Contender):
    """A trial by the loop over tasks; its first weights are those of our first lane."""

    def __init__(self, work: Work, setting: Setting) -> None:
        self.work, self.device = work, setting.device
        fresh = make_population(work, 1, self.device).weights("lane0")
        self.phi = {name: p.clone().requires_grad_() for name, p in fresh.items()}
        self.draw = Draw(work, setting.drawings)
        make = torch.optim.SGD if work.mini_batches else torch.optim.Adam
        self.optimizer = make(list(self.phi.values()), lr=work.params[work.outer_rate])

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the example."""
        phi = {
            name: torch.tensor(p, device=self.device).requires_grad_()
            for name, p in example.weights.items()
        }
        with networks.exact(self.device):
            found = self.meta_gradient(phi, example.batch)
        return {name: g.cpu().numpy() for name, g in zip(phi, found, strict=True)}

    def meta_gradient(self, phi: Weights, batch: Batch) -> list[Tensor]:
        """Return the meta-gradient of one meta-batch, task by task but for `POOLED`."""
        together, weights = networks.tensors(batch, self.device), list(phi.values())
        if self.work.algorithm in POOLED:
            return _differentiated(POOLED[self.work.algorithm](self.work, phi, together), weights)
        tasks = list(zip(*together, strict=True))
        if self.work.algorithm in LOSSES:
            rule = LOSSES[self.work.algorithm]
            total = torch.stack([rule(self.work, phi, task) for task in tasks]).mean()
            return _differentiated(total, weights)
        mean = [torch.zeros_like(p) for p in weights]
        for task in tasks:
            for sofar, g in zip(mean, self._of_task(phi, task), strict=True):
                sofar.add_(g, alpha=1 / len(tasks))
        return mean

    def _of_task(self, phi: Weights, task: tuple[Tensor, ...]) -> list[Tensor]:
        rule = GRADIENTS[self.work.algorithm]
        return rule(self.work, phi, *task) if self.work.mini_batches else rule(self.work, phi, task)

    def advance(self, meta_iterations: int) -> None:
        """Train: draw tasks, adapt, take the outer step."""
        for _ in range(meta_iterations):
            gradient = self.meta_gradient(self.phi, self.draw())
            for weight, g in zip(self.phi.values(), gradient, strict=True):
                weight.grad = g
            self.optimizer.step()
        networks.finish(self.device)

    def rest(self) -> None:
        """Give cached device memory back."""
        networks.release(self.device)


def _differentiated(loss: Tensor, weights: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(loss, weights, materialize_grads=True))
