"""The plain loop: one task at a time, `torch.autograd.grad`, nothing but torch."""

import numpy as np
import torch
from torch import Tensor

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Example, Setting, Work
from benchmarks.suite.contenders.family import FamilyLoop
from benchmarks.suite.networks import Weights, apply, loss
from benchmarks.suite.tasks import Batch, Draw


def versions() -> dict[str, str]:
    """Return versions of what this contender is made of."""
    return {"torch": torch.__version__}


def make(work: Work, setting: Setting) -> Contender:
    """Return the loop for a work item."""
    return FamilyLoop(work, setting) if work.of_the_family else Loop(work, setting)


class Loop(Contender):
    """A trial by the loop over tasks, with torch's own Adam."""

    def __init__(self, work: Work, setting: Setting) -> None:
        self.work, self.device = work, setting.device
        self.weights = [w.requires_grad_() for w in networks.initial(work, self.device)]
        self.draw = Draw(work, setting.drawings)
        if work.algorithm == "maml":
            self.optimizer = torch.optim.Adam(self.weights, lr=work.params["outer_lr"])

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the example."""
        weights = [w.requires_grad_() for w in networks.to_torch(example.weights, self.device)]
        with networks.exact(self.device):
            found = self.meta_gradient(weights, example.batch)
        return networks.to_arrays(found, example.weights)

    def meta_gradient(self, weights: Weights, batch: Batch) -> Weights:
        """Return the meta-gradient of one meta-batch."""
        data = networks.tensors(batch, self.device)
        if self.work.algorithm == "reptile":
            return self._reptile(weights, *data)
        return self._maml(weights, *data)

    def advance(self, meta_iterations: int) -> None:
        """Train: draw tasks, adapt, take the outer step."""
        for _ in range(meta_iterations):
            gradient = self.meta_gradient(self.weights, self.draw())
            if self.work.algorithm == "reptile":
                with torch.no_grad():
                    for weight, g in zip(self.weights, gradient, strict=True):
                        weight.sub_(g, alpha=self.work.params["epsilon"])
                continue
            for weight, g in zip(self.weights, gradient, strict=True):
                weight.grad = g
            self.optimizer.step()
        networks.finish(self.device)

    def rest(self) -> None:
        """Give cached device memory back."""
        networks.release(self.device)

    def _maml(
        self, weights: Weights, x_s: Tensor, y_s: Tensor, x_q: Tensor, y_q: Tensor
    ) -> Weights:
        tasks, total = len(x_s), torch.zeros((), device=self.device)
        for t in range(tasks):
            fast = weights
            for _ in range(self.work.steps):
                inner = loss(apply(fast, x_s[t]), y_s[t])
                gradient = torch.autograd.grad(inner, fast, create_graph=not self.work.first_order)
                fast = [w - self.work.inner_lr * g for w, g in zip(fast, gradient, strict=True)]
            total = total + loss(apply(fast, x_q[t]), y_q[t]) / tasks
        return list(torch.autograd.grad(total, weights))

    def _reptile(self, weights: Weights, x: Tensor, y: Tensor, order: Tensor) -> Weights:
        away = [torch.zeros_like(w) for w in weights]
        for t in range(len(x)):
            fast = [w.detach() for w in weights]
            for rows in order[t]:
                fast = [w.requires_grad_() for w in fast]
                gradient = torch.autograd.grad(loss(apply(fast, x[t, rows]), y[t, rows]), fast)
                fast = [
                    w.detach().sub(g, alpha=self.work.inner_lr)
                    for w, g in zip(fast, gradient, strict=True)
                ]
            for total, w, f in zip(away, weights, fast, strict=True):
                total += (w.detach() - f) / len(x)
        return away
