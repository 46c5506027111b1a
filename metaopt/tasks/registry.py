"""Task distributions by name, from the plain dict of a study spec."""

from pathlib import Path
from typing import Any

import torch

from metaopt.errors import InvalidTasks
from metaopt.tasks.base import Tasks
from metaopt.tasks.omniglot.tasks import Omniglot
from metaopt.tasks.regression import Linear, Sinusoid


def make_tasks(
    spec: dict[str, Any],
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    path: Path | None = None,
) -> Tasks:
    """Return the task distribution that `spec` describes, with its data on `device`.

    Args:
        spec: `kind` and its options, as in a study spec's `tasks`; shots are ignored here.
        dtype: Float type of the episodes.
        path: A user's own copy of the data, where the kind has data; None takes the shipped one.

    Raises:
        InvalidTasks: unknown kind, or data that cannot be read.
    """
    kind = spec.get("kind")
    if kind == "sinusoid":
        ranges = {k: (spec[k][0], spec[k][1]) for k in ("amplitude", "phase", "x") if k in spec}
        return Sinusoid(**ranges, dtype=dtype)
    if kind == "linear":
        return Linear(spec.get("features", 1), spec.get("noise", 0.0), dtype)
    if kind == "omniglot":
        return Omniglot.load(spec, device, dtype, path)
    raise InvalidTasks(f"tasks.kind must be sinusoid, linear or omniglot, got {kind!r}")
