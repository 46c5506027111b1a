"""TorchOpt: its functional SGD inside `torch.func.vmap` over tasks, as in its MAML example."""

import numpy as np
import torch
import torchopt
from torch import Tensor
from torch.func import grad, vmap

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Example, Setting, Work
from benchmarks.suite.networks import Weights, apply, loss
from benchmarks.suite.tasks import Batch, Draw


def versions() -> dict[str, str]:
    """Return versions of what this contender is made of."""
    return {"torchopt": torchopt.__version__, "torch": torch.__version__}


def make(work: Work, setting: Setting) -> Contender:
    """Return TorchOpt's vmap for a work item."""
    return TorchOpt(work, setting)


class TorchOpt(Contender):
    """A trial by TorchOpt, inner and outer optimizer its own."""

    def __init__(self, work: Work, setting: Setting) -> None:
        self.work, self.device = work, setting.device
        self.weights = networks.initial(work, self.device)
        self.inner = torchopt.sgd(work.inner_lr)
        self.draw = Draw(work, setting.drawings)
        if work.algorithm == "maml":
            self.outer = torchopt.adam(work.params["outer_lr"])
        else:
            self.outer = torchopt.sgd(work.params["epsilon"])
        self.state = self.outer.init(self.weights)

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the example."""
        weights = networks.to_torch(example.weights, self.device)
        with networks.exact(self.device):
            found = self._meta_gradient(weights, example.batch)
        return networks.to_arrays(found, example.weights)

    def advance(self, meta_iterations: int) -> None:
        """Train: draw tasks, adapt, take the outer step."""
        for _ in range(meta_iterations):
            gradient = self._meta_gradient(self.weights, self.draw())
            updates, self.state = self.outer.update(gradient, self.state, inplace=True)
            self.weights = torchopt.apply_updates(self.weights, updates, inplace=True)
        networks.finish(self.device)

    def rest(self) -> None:
        """Give cached device memory back."""
        networks.release(self.device)

    def _meta_gradient(self, weights: Weights, batch: Batch) -> Weights:
        data = networks.tensors(batch, self.device)
        if self.work.algorithm == "reptile":
            ends = vmap(self._reptile_task, in_dims=(None, 0, 0, 0))(weights, *data)
            return [w - end.mean(0) for w, end in zip(weights, ends, strict=True)]
        x_s, y_s, x_q, y_q = data
        if self.work.first_order:
            ends = vmap(self._adapt, in_dims=(None, 0, 0))(weights, x_s, y_s)
            return [g.mean(0) for g in vmap(grad(_loss))(ends, x_q, y_q)]
        leaves = [w.detach().requires_grad_() for w in weights]
        ends = vmap(self._adapt, in_dims=(None, 0, 0))(leaves, x_s, y_s)
        return list(torch.autograd.grad(vmap(_loss)(ends, x_q, y_q).mean(), leaves))

    def _adapt(self, weights: Weights, x: Tensor, y: Tensor) -> Weights:
        state = self.inner.init(weights)
        for _ in range(self.work.steps):
            weights, state = self._step(weights, grad(_loss)(weights, x, y), state)
        return weights

    def _reptile_task(self, weights: Weights, x: Tensor, y: Tensor, order: Tensor) -> Weights:
        state = self.inner.init(weights)
        for rows in order:
            weights, state = self._step(weights, grad(_loss)(weights, x[rows], y[rows]), state)
        return weights

    def _step(self, weights: Weights, gradient: Weights, state: object) -> tuple[Weights, object]:
        updates, state = self.inner.update(gradient, state, inplace=False)
        return torchopt.apply_updates(weights, updates, inplace=False), state


def _loss(weights: Weights, x: Tensor, y: Tensor) -> Tensor:
    return loss(apply(weights, x, under_vmap=True), y)
