"""The peer, in a process of the peers' Python: a search with Optuna and `higher`.

`benchmarks.end_to_end.peer` starts it, with its order as JSON.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import higher
import optuna
import torch

from benchmarks.end_to_end.search import INNER_LR, OUTER_LR, VALIDATION_TASKS, Search
from benchmarks.suite import networks
from benchmarks.suite.contenders.higher import versions
from benchmarks.suite.networks import loss, tensors
from benchmarks.suite.tasks import Draw

VALIDATION_SEED, WARM_UP_SEED = 2**31, 2**32
WARM_UP = 5


def peer_main(order: Mapping[str, Any]) -> None:
    """Search with Optuna: say the versions when ready, wait for a line, say the figures."""
    search = Search(order["trials"], order["meta_iterations"], order["inner_steps"], 1)
    study = optuna.create_study(
        study_name="end to end",
        storage=order["storage"],
        sampler=optuna.samplers.TPESampler(seed=order["number"]),
        load_if_exists=True,
    )
    learner = Learner(search, inner_lr=0.01, outer_lr=1e-3, seed=WARM_UP_SEED)
    learner.train(WARM_UP)
    bank = learner.bank()
    loops: list[float] = []

    def objective(trial: "optuna.Trial") -> float:
        learner = Learner(
            search,
            inner_lr=trial.suggest_float("inner_lr", **INNER_LR),
            outer_lr=trial.suggest_float("outer_lr", **OUTER_LR),
            seed=trial.number,
        )
        learner.train(1)  # makes Adam's state
        begun = time.perf_counter()
        learner.train(search.meta_iterations - 1)
        loops.append(time.perf_counter() - begun)
        return learner.validation_loss(bank)

    print(json.dumps({**versions(), "optuna": optuna.__version__}), flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    study.optimize(objective, n_trials=search.trials)
    seconds = time.perf_counter() - begun
    figures = {"seconds": seconds, "loop_seconds": sum(loops), "best": study.best_value}
    print(json.dumps(figures), flush=True)


class Learner:
    """MAML with `higher`, as in its authors' example: `innerloop_ctx` for one task after another.

    Training is that of `suite/contenders/higher.py`.
    """

    def __init__(self, search: Search, *, inner_lr: float, outer_lr: float, seed: int) -> None:

        torch.manual_seed(seed)
        self._work = search.work
        self._network = networks.network(self._work)
        self._inner = torch.optim.SGD(self._network.parameters(), lr=inner_lr)
        self._outer = torch.optim.Adam(self._network.parameters(), lr=outer_lr)
        self._draw = Draw(self._work, Path(), seed)

    def train(self, meta_iterations: int) -> None:
        """Draw tasks, adapt to each, take the outer step; again and again."""
        for _ in range(meta_iterations):
            self._outer.zero_grad()
            tasks = tensors(self._draw(), "cpu")
            for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
                with higher.innerloop_ctx(
                    self._network, self._inner, copy_initial_weights=False
                ) as (fast, steps):
                    for _ in range(self._work.steps):
                        steps.step(loss(fast(x_s), y_s))
                    (loss(fast(x_q), y_q) / self._work.meta_batch).backward()
            self._outer.step()

    def bank(self) -> list[Any]:
        """Return the validation tasks, the same for every trial and process."""
        params = {**self._work.params, "meta_batch": VALIDATION_TASKS}
        return tensors(Draw(replace(self._work, params=params), Path(), VALIDATION_SEED)(), "cpu")

    def validation_loss(self, bank: list[Any]) -> float:
        """Return the mean query loss after adapting to each task of the bank."""
        losses = []
        for x_s, y_s, x_q, y_q in zip(*bank, strict=True):
            with higher.innerloop_ctx(
                self._network, self._inner, track_higher_grads=False
            ) as (fast, steps):  # fmt: skip
                for _ in range(self._work.steps):
                    steps.step(loss(fast(x_s), y_s))
                losses.append(loss(fast(x_q), y_q).item())
        return sum(losses) / len(losses)


if __name__ == "__main__":
    peer_main(json.loads(sys.argv[1]))
