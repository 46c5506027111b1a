"""What every algorithm owes, whatever it learns: for their tests to compare."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import draw
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.winner import read_winner
from tests.programs import use_compiled

ITERATIONS = 4


@dataclass(frozen=True)
class Case:
    """A tiny study of one algorithm.

    Args:
        lanes: Numbers of each lane, beside the structural ones of `shared`.
        cap: Most steps of a lane, in training and in an evaluation; 0 of an algorithm without any.
    """

    algorithm: str
    tasks: dict[str, Any]
    model: dict[str, Any]
    shared: dict[str, Any]
    lanes: tuple[dict[str, Any], ...]
    cap: int = 0
    program_lanes: int = 2
    bank: dict[str, Any] = field(default_factory=dict)


def population(case: Case, chosen: list[int] | None = None, trained: bool = True) -> Population:
    """Lanes of a case, by default all, four meta-iterations old."""
    signature = signature_of(
        tasks=case.tasks,
        model=case.model,
        algorithm=case.algorithm,
        params=case.shared,
        step_cap=case.cap or None,
        test_cap=case.cap or None,
        dtype="float64",
    )
    made = Population(signature, program_lanes=case.program_lanes)
    for i in range(len(case.lanes)) if chosen is None else chosen:
        made.admit(str(i), {**case.shared, **case.lanes[i]}, seed=10 + i, horizon=ITERATIONS)
    if trained:
        made.advance(ITERATIONS)
    return made


def bank_of(case: Case, transductive: bool = True) -> BankSpec:
    """Six tasks to judge a case on."""
    shots = {"k_shot": case.tasks["k_shot"], "q_query": case.tasks["q_query"], **case.bank}
    return BankSpec("test", seed=3, tasks=6, steps=case.cap, transductive=transductive, **shots)


Pairs = list[tuple[torch.Tensor, torch.Tensor]]
"""What has to be the same, found in two ways."""


def apart(pairs: Pairs) -> float:
    """How far the two of any pair are apart, as a share of the largest number of the second."""
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-300)) for a, b in pairs)


def together_and_alone(case: Case) -> Pairs:
    """Weights, scores and curves of lanes side by side, and of each by itself."""
    together, pairs = population(case), []
    scores = together.evaluate(together.lanes, bank_of(case))
    for i in range(len(case.lanes)):
        name, alone = str(i), population(case, [i])
        assert alone.state(name) == together.state(name)
        assert alone.state(name).age == ITERATIONS
        pairs.append((flat(together, name), flat(alone, name)))
        mine = alone.evaluate([name], bank_of(case))[name]
        for told in ("scores", "curve"):
            both = (getattr(scores[name], told), getattr(mine, told))
            pairs.append((torch.tensor(both[0]), torch.tensor(both[1])))
    return pairs


def file_and_study(case: Case, path: Path) -> Pairs:
    """Scores of the answers that a winner's file gives, and those that a population had."""
    made, pairs = population(case), []
    for transductive in (True, False):
        bank = bank_of(case, transductive)
        for name, told in made.evaluate(made.lanes, bank).items():
            made.write_model(name, path, transductive=transductive)
            winner, tasks = read_winner(path), draw(made.program.tasks, bank, "cpu")
            for task, score in enumerate(told.scores):
                adapted = winner.adapt(tasks.support.x[task], tasks.support.y[task])
                predicted, y = adapted.predict(tasks.query.x[task]), tasks.query.y[task]
                classes = y.dtype == torch.int64
                error = (predicted == y).double() if classes else (predicted - y).square()
                pairs.append((error.mean(), torch.tensor(score, dtype=torch.float64)))
    return pairs


def compiled_and_plain(case: Case, programs: Path) -> Pairs:
    """Weights to which a compiled program takes the lanes, and the plain one."""
    plain, fast = population(case), population(case, trained=False)
    use_compiled(fast, programs)
    assert fast.compiled
    fast.advance(ITERATIONS)
    assert all(fast.state(name) == plain.state(name) for name in plain.lanes)
    return [(flat(fast, name), flat(plain, name)) for name in plain.lanes]


def flat(made: Population, name: str) -> torch.Tensor:
    """A lane's φ in one row."""
    return torch.cat([p.flatten() for p in made.weights(name).values()])


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-9) -> None:
    """Demand that they differ by less than `tolerance` of the largest entry."""
    assert apart([(ours, theirs)]) <= tolerance


def as_one_task_after_the_other(episodes, lane: int) -> list:
    """The episodes of a lane as [((x_s, y_s), (x_q, y_q)), …]."""
    count = episodes.query.y.shape[1]
    return [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(count)]
