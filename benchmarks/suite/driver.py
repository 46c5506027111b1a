"""A run: every contender proves that it does the work, then all are timed in turns.

    make ─▶ check ─▶ warm ─▶ time, time, time …     one contender at a time, round after round
      └───────┴────────┴────────┴─▶ skipped, with the reason

The check: the meta-gradient of one example equals the plain loop's.  A contender that computes
something else is not timed.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.suite.process import Refused
from benchmarks.suite.roster import LIMIT, LOOP, Entry
from benchmarks.suite.works import Work

TOLERANCE = 1e-4
NOTHING = 1e-3


class Asked(Protocol):
    """A process that answers orders; see `process.Process`."""

    def ask(self, **order: Any) -> Any:
        """Return the result of one order, or raise `Refused`."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long to measure, and with what.

    Args:
        repeats: Rounds; the median of them counts.
        seconds: What one repeat should last.
        process_of: The process of a contender; raises `Refused` if there is none.
        folder: Where processes leave arrays for each other.
        say: Called with what is being done.
    """

    repeats: int
    seconds: float
    process_of: Callable[[Entry], Asked]
    folder: Path
    say: Callable[[str], None]


@dataclass
class Outcome:
    """What became of one work item.

    Args:
        milliseconds: Each repeat's, per trial and meta-iteration, by contender.
        skipped: Reason, by contender.
        versions: Of the packages that were measured.
        limit: FLOPs of a trial's meta-iteration, and the rate of matrix products.
    """

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    limit: dict[str, float] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Return a contender's figure; the limit's is its least, by the best rate measured."""
        values = self.milliseconds[name]
        return min(values) if name == LIMIT.name else statistics.median(values)

    def spread(self, name: str) -> float:
        """Return half the distance of the quartiles over the median."""
        values = self.milliseconds[name]
        if len(values) < 2:
            return 0.0
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return (high - low) / 2 / statistics.median(values)


def measure(work: Work, entries: Sequence[Entry], plan: Plan) -> Outcome:
    """Return what became of the contenders in one work item.

    Args:
        entries: Contenders besides the limit and the loop, which always take part.

    Raises:
        Refused: the limit or the loop does not run.
    """
    outcome, counts = Outcome(), {}
    example = plan.folder / "example.npz"
    plan.process_of(LIMIT).ask(do="example", work=work.name, out=str(example))
    expected: dict[str, np.ndarray] | None = None
    for entry in (LIMIT, LOOP, *entries):
        plan.say(f"{work.name}: {entry.name}")
        try:
            _make(work, entry, plan, outcome)
            if entry != LIMIT:
                found = _gradient(entry, plan, example)
                expected = found if expected is None else expected
                check(found, expected)
            counts[entry] = _ask(plan, entry, do="warm", seconds=plan.seconds)
        except Refused as refusal:
            if entry in (LIMIT, LOOP):
                raise
            outcome.skipped[entry.name] = str(refusal)
    _time(work, counts, plan, outcome)
    return outcome


def check(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    """Compare two meta-gradients, tensor by tensor, relative to the tensor's largest entry.

    Where that is below a thousandth of the largest of all it may be rounding and nothing else, as
    that of a bias that no distance depends on; then they are compared relative to that thousandth.

    Raises:
        Refused: they differ by more than 1e-4.
    """
    if found.keys() != expected.keys():
        raise Refused(f"its meta-gradient has {sorted(found)}, not {sorted(expected)}")
    most = max(float(np.abs(want).max()) for want in expected.values())
    for name, want in expected.items():
        have = found[name]
        if have.shape != want.shape:
            raise Refused(f"its meta-gradient of {name} has shape {have.shape}, not {want.shape}")
        away = float(np.abs(have - want).max()) / max(float(np.abs(want).max()), NOTHING * most)
        if not away <= TOLERANCE:  # also where it is not a number
            raise Refused(f"computes something else: its meta-gradient of {name} is {away:.1e} off")


def _make(work: Work, entry: Entry, plan: Plan, outcome: Outcome) -> None:
    made = _ask(plan, entry, do="make", module=entry.module, work=work.name, options=entry.options)
    if entry.peer and "torch" in made:
        made["torch (peers)"] = made.pop("torch")
    outcome.versions |= made


def _gradient(entry: Entry, plan: Plan, example: Path) -> dict[str, np.ndarray]:
    out = plan.folder / "gradient.npz"
    _ask(plan, entry, do="check", example=str(example), out=str(out))
    with np.load(out) as stored:
        return {name: stored[name] for name in stored.files}


def _time(work: Work, counts: dict[Entry, int], plan: Plan, outcome: Outcome) -> None:
    for repeat in range(plan.repeats):
        plan.say(f"{work.name}: repeat {repeat + 1} of {plan.repeats}")
        # There and back, so that a drift of the machine falls on all alike.
        for entry in list(counts)[:: 1 if repeat % 2 == 0 else -1]:
            try:
                took = _ask(plan, entry, do="time", meta_iterations=counts[entry])
                outcome.milliseconds.setdefault(entry.name, []).append(took)
            except Refused as refusal:
                del counts[entry]
                outcome.milliseconds.pop(entry.name, None)
                outcome.skipped[entry.name] = str(refusal)
    outcome.limit = _ask(plan, LIMIT, do="facts")
    for entry in counts:
        _ask(plan, entry, do="drop")


def _ask(plan: Plan, entry: Entry, **order: Any) -> Any:
    return plan.process_of(entry).ask(name=entry.name, **order)
