"""Meta-hyperparameters: what an algorithm can be given, with unit, range and source.

A parameter is either a *lane* number (it may differ between the lanes of one program: rates, step
counts) or *structural* (all lanes of a program share it: order, meta batch, optimizer); trials
that differ in a structural parameter run in different programs.  Each algorithm lists its own
(`metaopt.algorithms.kinds`).

Losses are means over all examples, so rates of papers that sum over classes must be scaled
before they are compared (docs/meta-learning.md).
"""

import math
from dataclasses import dataclass
from typing import Literal

from metaopt.errors import InvalidMetaParameter
from metaopt.messages import did_you_mean, shown
from metaopt.plain import plain

Value = float | int | str
LARGEST = 1e30  # of a parameter that has no bound: float32 ends at 3e38


@dataclass(frozen=True)
class MetaParam:
    """One meta-hyperparameter.

    Args:
        name: As in specs, tables and JSON.
        kind: "float", "int" or "choice".
        default: Value of a trial whose spec does not mention the parameter.
        low, high: Default search range, inclusive (numbers).
        log: Whether the default search is uniform in the logarithm.
        minimum, maximum: Hard bounds; outside them the parameter has no meaning.
        choices: Allowed values (kind "choice").
        lane: May differ between lanes of one program.
        searched: Whether a branch that names no space searches it, over its default range.
        added: Whether trials of its algorithm were trained before there was such a parameter: their
            checkpoints have its default.
        unit: Unit of the number, "1" if it has none.
        doc: One sentence.
        source: Where default and range come from.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    default: Value
    unit: str
    doc: str
    source: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    minimum: float = 0.0
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    lane: bool = True
    searched: bool = False
    added: bool = False

    def check(self, value: object) -> Value:
        """Return `value` as this parameter's type; numbers of numpy and torch are as good.

        Raises:
            InvalidMetaParameter: wrong type, not finite, outside the bounds, not a choice.
        """
        given = plain(value)
        if self.kind == "choice":
            if not isinstance(given, str) or given not in self.choices:
                rule = f"be one of {', '.join(self.choices)}"
                raise self._must(rule, given, did_you_mean(given, self.choices))
            return given
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise self._must("be a number", given)
        if isinstance(given, float) and not math.isfinite(given):
            raise self._must("be finite", given)
        if self.kind == "int" and int(given) != given:
            raise self._must("be a whole number", given)
        most = min(self.maximum, LARGEST)
        if not self.minimum <= given <= most:
            raise self._must(f"be in [{self.minimum:g}, {most:g}]", given)
        return int(given) if self.kind == "int" else float(given)

    def _must(self, rule: str, given: object, meant: str = "") -> InvalidMetaParameter:
        return InvalidMetaParameter(f"{self.name} must {rule}, got {shown(given)}{meant}")


TEST_STEPS = MetaParam(
    "test_steps", "int", 0, "steps",
    "Inner steps after which a trial is scored; 0 means as many as it trains with.",
    "MAML trains with 1 step and reports 1 to 10; Reptile trains with 5 and tests with 50",
    low=1, high=10, minimum=0, maximum=200,
)  # fmt: skip
"""Of every algorithm with an inner loop."""

OUTER = (
    MetaParam(
        "weight_decay", "float", 0.0, "1",
        "λ of the outer step: adam and sgd add λφ to the meta-gradient, adamw takes βλφ off φ.",
        "Loshchilov & Hutter 2019, arXiv:1711.05101; Meta-Dataset's best 9e-5 to 7e-3",
        low=1e-6, high=1e-2, log=True, maximum=1e3, added=True,
    ),
    MetaParam(
        "gradient_norm", "float", 0.0, "1",
        "Longest meta-gradient: one of a larger L2 norm is scaled down to it; 0 is off.",
        "Pascanu et al. 2013, arXiv:1211.5063, algorithm 1", low=0.1, high=10.0, log=True,
        added=True,
    ),
    MetaParam(
        "warmup", "float", 0.0, "1",
        "Share of the trial over which the outer rate rises linearly from 0.",
        "Goyal et al. 2017, arXiv:1706.02677, section 2.2", low=0.0, high=0.2, maximum=1.0,
        added=True,
    ),
)  # fmt: skip
"""Numbers of the outer step, for algorithms that take them."""

GRADIENT_CLAMP = MetaParam(
    "gradient_clamp", "float", 0.0, "1",
    "Bound on each entry of the averaged meta-gradient; 0 is off.",
    "MAML clamps at 10 for mini-ImageNet only", low=0.0, high=10.0, lane=False,
)  # fmt: skip
"""Likewise; structural."""
