"""What specs did not always have: left out of a digest where it says nothing.

So a spec of a time without it has the digest that it had.
"""

from typing import Any

from service.wire.spec.study import StudySpec

ADDED: dict[str, tuple[str, ...]] = {
    "evaluation": ("keep",),
    "search": ("currency",),
    "verdict": ("finalists_from", "cost"),
}
"""Fields by their part, each with a default under which a study is what it was without them."""

FIRST_BOUNDS = (
    "peak_memory_bytes",
    "adaptation_milliseconds",
    "adaptation_examples",
    "diverged_share",
)
"""Costs that `constraints` have had from the beginning; a null of any other is left out."""


def leave_out_added(data: dict[str, Any], spec: StudySpec) -> None:
    """Remove from a dumped spec what is at the default of a field of `ADDED`, and new nulls."""
    for part, names in ADDED.items():
        model = getattr(spec, part)
        for name in names:
            if getattr(model, name) == type(model).model_fields[name].default:
                del data[part][name]
    if not spec.requires:
        del data["requires"]
    bounds = data["constraints"].items()
    data["constraints"] = {
        name: bound for name, bound in bounds if bound is not None or name in FIRST_BOUNDS
    }
