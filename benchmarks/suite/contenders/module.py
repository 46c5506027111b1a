"""What contenders share that adapt an `nn.Module` and call `backward`, task by task."""

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Example, Setting, Work
from benchmarks.suite.tasks import Batch, Draw


class ModuleContender(Contender):
    """A trial whose weights are a module's, with torch's own Adam.

    `backward` adds one task's share of the meta-gradient to the parameters' `grad`.
    """

    def __init__(self, work: Work, setting: Setting, network: nn.Module) -> None:
        self.work, self.device = work, setting.device
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=work.params["outer_lr"])
        self.draw = Draw(work, setting.drawings)

    def backward(self, x_s: Tensor, y_s: Tensor, x_q: Tensor, y_q: Tensor) -> None:
        """Adapt to one task and differentiate its query loss."""
        raise NotImplementedError

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the example."""
        self._load(networks.to_torch(example.weights, self.device))
        with networks.exact(self.device):
            self._backward(example.batch)
        found = [p.grad for p in self.parameters if p.grad is not None]
        return networks.to_arrays(found, example.weights)

    def advance(self, meta_iterations: int) -> None:
        """Train: draw tasks, adapt, take the outer step."""
        for _ in range(meta_iterations):
            self._backward(self.draw())
            self.optimizer.step()
        networks.finish(self.device)

    def rest(self) -> None:
        """Give cached device memory back."""
        networks.release(self.device)

    def _backward(self, batch: Batch) -> None:
        self.optimizer.zero_grad()
        for task in zip(*networks.tensors(batch, self.device), strict=True):
            self.backward(*task)

    @torch.no_grad()
    def _load(self, weights: list[Tensor]) -> None:
        for parameter, weight in zip(self.parameters, weights, strict=True):
            parameter.copy_(weight)
