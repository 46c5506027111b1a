"""How often are gates wrong?  Simulated gates whose truth is known.

    python -m benchmarks.gates [--gates 1000] [--families 500] [--results benchmarks/results]

Rules, looks and answers are the real code (`service/judgement/gates.py`, as a study's gates call
it); nothing is trained.  Scores are those of real trainings (`benchmarks/score_vectors.py`):
candidate and baseline are the same configuration, each fresh training one of its seeds at random,
the gate bank tasks drawn with replacement, the same for both; then the candidate is shifted by what
it is to be worse.  So the noise of tasks and of training, and what of it both share, is that of
real trials.

DELTA is given in units of the standard error that a gate with the default numbers has at its last
look, so that settings with other scores can be read side by side.  Then gates are tried in
families of noise (`benchmarks/gates_families.py`).
"""

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import gates_families
from benchmarks.verdict_world import Table, read_table
from metaopt.estimation.limits import interval
from metaopt.gates.registry import parse_rule
from metaopt.goals import Goals
from metaopt.tasks.registry import TASKS
from service.judgement import gates
from service.judgement.estimates import SealedRun, difference_of
from service.judgement.evidence import Evidence, with_noise
from service.output_file import write_output
from service.wire.spec.gates import Gates
from service.wire.views.gate_report import GateAnswer

RESULTS = Path(__file__).parent / "results"
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "3 seeds": {"seeds": 3},
    "10 seeds": {"seeds": 10},
    "one look": {"tasks": 400, "most_tasks": 400},
    "seven looks": {"tasks": 50, "most_tasks": 3200},
}
TABLES = ("sinusoid", "omniglot")
DELTA = 6.0  # standard errors: a gate is asked what its tasks can tell


class Outcome(NamedTuple):
    """What a gate answered at last, after how many looks."""

    answer: str
    looks: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate every setting and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", type=int, default=1000, help="for each setting and truth")
    parser.add_argument("--families", type=int, default=500, help="gates in each; 0 is none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    results = simulate_all(options.gates)
    options.results.mkdir(parents=True, exist_ok=True)
    write_output(options.results / "gates.json", json.dumps(results, indent=2) + "\n")
    write_output(options.results / "gates.txt", text(results, options.gates))
    print(text(results, options.gates), end="")
    if options.families:
        page = gates_families.text(
            gates_families.simulate_families(options.families), options.families
        )
        write_output(options.results / "gates_families.txt", page)
        print(f"\n{page}", end="")


def simulate_all(count: int) -> dict[str, dict[str, float]]:
    """Shares of answers in each setting, by its name."""
    results = {}
    for name in TABLES:
        table = read_table(name)
        unit = standard_error(table)
        for setting, changes in SETTINGS.items():
            results[f"{name}, {setting}"] = simulate(table, DELTA * unit, count, **changes)
    return results


def simulate(table: Table, delta: float, count: int, **changes: Any) -> dict[str, float]:
    """How often a gate passes, fails and stays undecided where the truth is known.

    Args:
        table: Of which trainings the scores are.
        delta: DELTA of `no-worse:DELTA`.
        count: Gates for each truth.
        changes: What of the spec's `gates` is not the default.
    """
    spec = Gates.model_validate({"rules": ["better"], "baseline": "main", **changes})
    shares: dict[str, float] = {"delta": delta}
    for truth, worse in {"worse by DELTA": delta, "equal": 0.0}.items():
        for rule in (f"no-worse:{delta}", "better"):
            kind = rule.partition(":")[0]
            luck = np.random.default_rng([len(truth), len(kind), count])
            outcomes = [one_gate(table, spec, rule, worse, luck) for _ in range(count)]
            for answer in ("pass", "fail", "undecided"):
                share = statistics.fmean(outcome.answer == answer for outcome in outcomes)
                shares[f"{truth}: {kind} {answer}"] = share
            looks = statistics.fmean(outcome.looks for outcome in outcomes)
            shares[f"{truth}: {kind} looks"] = looks
    return shares


def one_gate(
    table: Table, spec: Gates, rule: str, worse: float, luck: np.random.Generator
) -> Outcome:
    """The last answer to a rule, analysed while it is undecided and tasks are left."""
    looks = spec.interim_analyses()
    tasks = luck.integers(table.scores.shape[-1], size=looks[-1])
    shift = goals_of(table).score(worse)
    candidate = [_training(table, luck) + shift for _ in range(spec.seeds)]
    baseline = [_training(table, luck) for _ in range(spec.seeds)]
    for look, seen in enumerate(looks):
        mine, theirs = (
            [_run(scores[tasks[:seen]]) for scores in trainings]
            for trainings in (candidate, baseline)
        )
        answer = _answer(table, rule, mine, theirs, gates.error_rate(look, len(looks)))
        if answer.answer != "undecided":
            break
    return Outcome(answer.answer, look + 1)


def standard_error(table: Table) -> float:
    """Standard error of the difference at the last analysis of a gate with the defaults."""
    spec, luck = Gates(), np.random.default_rng(1)
    errors = []
    for _ in range(100):
        tasks = luck.integers(table.scores.shape[-1], size=spec.most_tasks)
        both = [[_run(_training(table, luck)[tasks]) for _ in range(spec.seeds)] for _ in range(2)]
        candidate, baseline = with_noise(*both, goals_of(table))
        assert baseline is not None
        errors.append(interval(difference_of(candidate, baseline)).stderr)
    return math.sqrt(statistics.fmean(error**2 for error in errors))


def goals_of(table: Table) -> Goals:
    """What the trainings of a table were after."""
    return Goals(maximize=TASKS.get(table.source.tasks["kind"]).metric(table.source.tasks).maximize)


def _training(table: Table, luck: np.random.Generator) -> np.ndarray:
    """Scores by task of a fresh training of the middle configuration."""
    scores: np.ndarray = table.scores[table.middle, luck.integers(table.scores.shape[1]), -1]
    return scores


def _run(scores: np.ndarray) -> SealedRun:
    listed = scores.tolist()
    return SealedRun(0, 0, "completed", None, statistics.fmean(listed), listed, [], 0.0, 1.0)


def _answer(
    table: Table, rule: str, mine: list[SealedRun], theirs: list[SealedRun], error_rate: float
) -> GateAnswer:
    goals = goals_of(table)
    candidate, baseline = with_noise(mine, theirs, goals)
    metric = "accuracy" if goals.maximize else "mse"
    evidence = Evidence(candidate, baseline, goals, metric, error_rate)
    return gates.judge(evidence, [parse_rule(rule)])[0]


ROWS = (
    ("truly worse by DELTA: no-worse passes", "worse by DELTA: no-worse pass"),
    ("  fails", "worse by DELTA: no-worse fail"),
    ("  stays undecided", "worse by DELTA: no-worse undecided"),
    ("  better passes", "worse by DELTA: better pass"),
    ("equal: no-worse passes", "equal: no-worse pass"),
    ("  fails", "equal: no-worse fail"),
    ("  stays undecided", "equal: no-worse undecided"),
    ("  better passes", "equal: better pass"),
    ("  better fails", "equal: better fail"),
)


def text(results: dict[str, dict[str, float]], count: int) -> str:
    """The figures as a page."""
    lines = [
        f"Gates on {count} simulated comparisons for each setting and truth: real rules, scores of",
        "real trainings (benchmarks/gates.py).  Per cent, ± one standard error.",
        "",
    ]
    for name in TABLES:
        own = {
            key.partition(", ")[2]: shares
            for key, shares in results.items()
            if key.startswith(name)
        }
        delta = next(iter(own.values()))["delta"]
        lines.append(f"{f'{name}, DELTA {delta:.4f}':42}" + "".join(f"{key:>16}" for key in own))
        for title, key in ROWS:
            cells = (_cell(shares[key], count) for shares in own.values())
            lines.append(f"{title:42}" + "".join(f"{cell:>16}" for cell in cells))
        for truth in ("worse by DELTA", "equal"):
            cells = (f"{shares[f'{truth}: no-worse looks']:.1f}" for shares in own.values())
            lines.append(f"{f'looks of no-worse, {truth}':42}" + "".join(f"{c:>16}" for c in cells))
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def _cell(share: float, count: int) -> str:
    error = math.sqrt(share * (1 - share) / count)
    return f"{100 * share:.1f} ± {100 * error:.1f}"


if __name__ == "__main__":
    main()
