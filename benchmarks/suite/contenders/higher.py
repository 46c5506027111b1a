"""`higher`: `innerloop_ctx` for each task, as in its authors' MAML example."""

from importlib.metadata import version

import higher
import torch
from torch import Tensor

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Setting, Unavailable, Work
from benchmarks.suite.contenders.module import ModuleContender
from benchmarks.suite.networks import loss


def versions() -> dict[str, str]:
    """Return versions of what this contender is made of."""
    return {"higher": version("higher"), "torch": torch.__version__}


def make(work: Work, setting: Setting) -> Contender:
    """Return higher's MAML for a work item."""
    if work.algorithm == "reptile":
        raise Unavailable("has no Reptile")
    return Higher(work, setting)


class Higher(ModuleContender):
    """A trial by `higher`."""

    def __init__(self, work: Work, setting: Setting) -> None:
        self._network = networks.network(work).to(setting.device)
        super().__init__(work, setting, self._network)
        self._inner = torch.optim.SGD(self.parameters, lr=work.inner_lr)

    def backward(self, x_s: Tensor, y_s: Tensor, x_q: Tensor, y_q: Tensor) -> None:
        """Adapt to one task and differentiate its query loss."""
        second = not self.work.first_order
        with higher.innerloop_ctx(
            self._network, self._inner, copy_initial_weights=False, track_higher_grads=second
        ) as (fast, steps):
            for _ in range(self.work.steps):
                steps.step(loss(fast(x_s), y_s))
            query = loss(fast(x_q), y_q) / self.work.meta_batch
            if second:
                query.backward()
                return
            for p, g in zip(
                self.parameters, torch.autograd.grad(query, list(fast.parameters())), strict=True
            ):
                p.grad = g if p.grad is None else p.grad + g
