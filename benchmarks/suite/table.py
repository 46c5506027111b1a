"""The results as one table and as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.suite.driver import Outcome
from benchmarks.suite.roster import CPU_LANES, GPU_LANES, LIMIT, LOOP, jax_form
from benchmarks.suite.works import Work

Outcomes = Sequence[tuple[Work, Outcome]]
_LANES = sorted({*CPU_LANES, *GPU_LANES})
ORDER = [
    "limit", "loop", "higher", "learn2learn", "torchopt", "jax",
    *(f"ours_{kind}_{n}" for kind in ("eager", "compiled") for n in _LANES),
]  # fmt: skip


def figures(outcome: Outcome) -> dict[str, float]:
    """Return milliseconds per trial and meta-iteration by contender; "jax" is its best form."""
    found = {name: outcome.median(name) for name in outcome.milliseconds}
    best = best_jax(outcome)
    if best is not None:
        found["jax"] = found[best]
    return {name: found[name] for name in ORDER if name in found}


def best_jax(outcome: Outcome) -> str | None:
    """Return the entry of JAX that was fastest."""
    forms = [name for name in outcome.milliseconds if name.startswith("jax_")]
    return min(forms, key=outcome.median, default=None)


def skips(outcome: Outcome) -> dict[str, str]:
    """Return why contenders are missing; JAX is one, unless only some of its forms are."""
    if best_jax(outcome) is not None:
        return outcome.skipped
    return {"jax" if n.startswith("jax_") else n: why for n, why in outcome.skipped.items()}


def document(outcomes: Outcomes, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written as JSON: one object a work item, and "about"."""
    details = {
        work.name: {
            "work": work.title,
            "flops_per_meta_iteration": outcome.limit["flops"],
            "matmul_flops_per_second": outcome.limit["flops_per_second"],
            "spread": {name: round(outcome.spread(name), 3) for name in outcome.milliseconds},
            "jax_forms": {
                jax_form(name): outcome.median(name)
                for name in outcome.milliseconds
                if name.startswith("jax_")
            },
            "skipped": skips(outcome),
        }
        for work, outcome in outcomes
    }
    works = {work.name: figures(outcome) for work, outcome in outcomes}
    return {**works, "about": {**about, "versions": versions(outcomes), "works": details}}


def versions(outcomes: Outcomes) -> dict[str, str]:
    """Return the versions of everything measured."""
    return {name: version for _, o in outcomes for name, version in sorted(o.versions.items())}


def text(outcomes: Outcomes, about: Mapping[str, Any]) -> str:
    """Return the table."""
    lines = [
        f"ms per trial and meta-iteration, median of {about['repeats']} repeats in turns "
        f"(± half the quartiles' distance); {about['threads']}",
        f"{about['machine']}; python {about['python']}; "
        + ", ".join(f"{n} {v}" for n, v in versions(outcomes).items()),
        f"meta-gradients compared with the loop's before timing, to {about['tolerance']:g}; "
        "limit: FLOPs of products and convolutions over the measured matmul rate",
        "",
        f"{'':20}{'ms':>10}{'±':>6}{'loop/this':>11}{'higher/this':>13}{'jax/this':>10}"
        f"{'of limit':>10}",
    ]
    for work, outcome in outcomes:
        lines += ["", f"{work.name}: {work.title}", *_rows(outcome), *_notes(outcome)]
    return "\n".join(lines) + "\n"


def _rows(outcome: Outcome) -> list[str]:
    found, best = figures(outcome), best_jax(outcome)

    def ratio(other: str, name: str, width: int) -> str:
        if other not in found or name == LIMIT.name:
            return " " * width
        return f"{found[other] / found[name]:{width}.2f}"

    rows = []
    for name, ms in found.items():
        measured = best if name == "jax" and best else name
        spread = "" if name == LIMIT.name else f"{outcome.spread(measured):.0%}"
        share = "" if name == LIMIT.name else f"{found[LIMIT.name] / ms:.1%}"
        rows.append(
            f"  {name:18}{ms:10.3f}{spread:>6}{ratio(LOOP.name, name, 11)}"
            f"{ratio('higher', name, 13)}{ratio('jax', name, 10)}{share:>10}".rstrip()
        )
    return rows


def _notes(outcome: Outcome) -> list[str]:
    flops, rate = outcome.limit["flops"], outcome.limit["flops_per_second"]
    notes = [f"  limit: {flops / 1e6:.2f} MFLOP at {rate / 1e9:.1f} GFLOP/s"]
    best = best_jax(outcome)
    if best is not None:
        others = ", ".join(
            f"{name.removeprefix('jax_')} {statistics.median(outcome.milliseconds[name]):.3f}"
            for name in outcome.milliseconds
            if name.startswith("jax_")
        )
        notes.append(f"  jax: {jax_form(best)} (all: {others})")
    by_reason: dict[str, list[str]] = {}
    for name, reason in skips(outcome).items():
        by_reason.setdefault(reason, []).append(name)
    return notes + [
        f"  {', '.join(names)} skipped: {reason}" for reason, names in by_reason.items()
    ]
