"""What a trial costs by itself, whatever its neighbours: time to adapt, memory to train.

Lanes are trained and evaluated together, so what they take together says little about one of
them.  Both costs are therefore measured on one lane alone, beside the training; nothing of it is
kept and no lane changes.
"""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import adapt, draw
from metaopt.evaluation.evaluate import Trained
from metaopt.population.lanes import Lanes
from metaopt.population.step import Program, meta_iteration
from metaopt.population.step import draw as draw_tasks

COSTS = ("adaptation_milliseconds", "peak_memory_bytes")
REPEATS = 5


def adaptation_milliseconds(trained: Trained, bank: BankSpec, clock: Callable[[], float]) -> float:
    """Return the milliseconds that one trial takes to adapt to one task, its query set apart.

    The trial's `test_steps` inner steps on the support set of the bank's first task, eager.  The
    least of a few repeats: what else the machine does can only add to it.

    Args:
        trained: One trial.
        bank: Its task 0 is adapted to.
        clock: Returns seconds; on a GPU it waits for the device first.
    """
    support = draw(trained.tasks, bank, trained.phi.device, 0, 1).support
    steps = int(trained.test_steps[0])
    seconds = []
    for _ in range(REPEATS):
        begun = clock()
        adapt(
            trained.learner,
            trained.phi,
            support,
            trained.adaptation,
            steps=steps,
        )
        seconds.append(clock() - begun)
    return 1000.0 * min(seconds)


def peak_memory_bytes(program: Program, lane: Lanes) -> int:
    """Return the most bytes of tensors alive at once in a meta-iteration of one lane, eager.

    Counted from the tensors' sizes, its own state and its tasks included, the data set not: the
    same on every device and for every neighbour.  An allocator takes somewhat more, a compiled
    program may take less.

    Args:
        lane: One lane; it stays as it is.
    """
    live = _Live(lane.tensors().values())
    with live:
        meta_iteration(program, lane, draw_tasks(program, lane, 1).at(0))
    return live.peak


class _Live(TorchDispatchMode):
    """Counts the bytes of storages that operations make, and that are dropped again."""

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: set[int] = set()
        for tensor in held:
            self._add(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            self._add(tensor)
        return result

    def _add(self, tensor: Any) -> None:
        if not isinstance(tensor, Tensor):
            return
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:  # a view, or the result of an operation in place
            return
        self._seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size
