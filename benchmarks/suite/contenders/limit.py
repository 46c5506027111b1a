"""The arithmetic limit: FLOPs of one trial's meta-iteration over the measured matmul rate.

FLOPs are those of products and convolutions, counted by `torch.utils.flop_counter` in our eager
program with one lane and in the plain loop; the lesser counts, so that the limit is one.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Setting, Work, clock
from benchmarks.suite.contenders import loop
from benchmarks.suite.contenders.ours import make_population

SIZE = {"cpu": 1024, "cuda": 8192}
PRODUCTS = {"cpu": 4, "cuda": 16}


def versions() -> dict[str, str]:
    """Return versions of what this is made of, and the GPU where there is one."""
    gpu = {"GPU": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {"torch": torch.__version__, **gpu}


def make(work: Work, setting: Setting) -> Contender:
    """Return the limit of a work item."""
    return Limit(work, setting)


class Limit(Contender):
    """Not trained: `milliseconds` measures the rate anew."""

    def __init__(self, work: Work, setting: Setting) -> None:
        self.device = setting.device
        self.flops = min(_counted(make_population(work, 1, self.device).advance, 1),
                         _counted(loop.make(work, setting).advance, 1))  # fmt: skip
        self.rate = 0.0
        size = SIZE[self.device]
        self._a, self._b = torch.randn(2, size, size, device=self.device)

    def advance(self, meta_iterations: int) -> None:
        """Multiply matrices."""
        # Convolutions on a GPU are TF32 by torch's default, so their ceiling is TF32's.
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
        for _ in range(meta_iterations):
            torch.mm(self._a, self._b)
        torch.backends.cuda.matmul.allow_tf32 = before
        networks.finish(self.device)

    def milliseconds(self, meta_iterations: int) -> float:
        """Return the least time that the arithmetic can take, by the best rate so far."""
        count = PRODUCTS[self.device]
        now = clock(self.device)
        for _ in range(3):
            begin = now()
            self.advance(count)
            seconds = now() - begin
            self.rate = max(self.rate, count * 2.0 * SIZE[self.device] ** 3 / seconds)
        return 1e3 * self.flops / self.rate

    def facts(self) -> dict[str, float]:
        """Return FLOPs of a meta-iteration and the best rate so far."""
        return {"flops": self.flops, "flops_per_second": self.rate}


def _counted(call: object, *arguments: int) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        call(*arguments)
    return int(counter.get_total_flops())
