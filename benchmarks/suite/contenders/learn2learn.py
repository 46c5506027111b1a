"""`learn2learn`: `MAML(…).clone()` and `.adapt()` for each task, as in its authors' examples.

Its package imports gym, torchvision and compiled data sets at once.  The MAML wrapper is plain
Python on torch alone, so just its modules are loaded: the authors' files, unchanged.
"""

import importlib
import importlib.util
import re
import sys
import types
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.suite import networks
from benchmarks.suite.contender import Contender, Setting, Unavailable, Work
from benchmarks.suite.contenders.module import ModuleContender
from benchmarks.suite.networks import loss


def _source() -> Path:
    found = importlib.util.find_spec("learn2learn")  # finds it, runs nothing of it
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'learn2learn'")
    return Path(found.submodule_search_locations[0])


def _load(folder: Path) -> types.ModuleType:
    for name, place in (("learn2learn", folder), ("learn2learn.algorithms", folder / "algorithms")):
        package = types.ModuleType(name)
        package.__path__ = [str(place)]
        sys.modules[name] = package
    return importlib.import_module("learn2learn.algorithms.maml")


_FOLDER = _source()
_MAML = _load(_FOLDER).MAML


def versions() -> dict[str, str]:
    """Return versions of what this contender is made of."""
    found = re.search(r"['\"](.+)['\"]", (_FOLDER / "_version.py").read_text())
    return {"learn2learn": found[1] if found else "unknown", "torch": torch.__version__}


def make(work: Work, setting: Setting) -> Contender:
    """Return learn2learn's MAML for a work item."""
    if work.algorithm == "reptile":
        raise Unavailable("has no Reptile")
    return Learn2Learn(work, setting)


class Learn2Learn(ModuleContender):
    """A trial by `learn2learn`."""

    def __init__(self, work: Work, setting: Setting) -> None:
        network = networks.network(work).to(setting.device)
        super().__init__(work, setting, network)
        self._maml = _MAML(network, lr=work.inner_lr, first_order=work.first_order)

    def backward(self, x_s: Tensor, y_s: Tensor, x_q: Tensor, y_q: Tensor) -> None:
        """Adapt to one task and differentiate its query loss."""
        learner = self._maml.clone()
        for _ in range(self.work.steps):
            learner.adapt(loss(learner(x_s), y_s))
        (loss(learner(x_q), y_q) / self.work.meta_batch).backward()
