"""Signatures: what trials must share to be lanes of one program.  No torch here."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from metaopt.algorithms.algorithm import Algorithm, steps_of
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.metaparams import Value
from metaopt.tasks.kind import METRIC


@dataclass(frozen=True)
class Signature:
    """Tasks, model, algorithm, structural meta-parameters, step caps and float type.

    Args:
        tasks, model: As in a study spec, but for the metric: training does not depend on it.
        algorithm: Its name.
        structure: Structural meta-parameters by name.
        step_cap: Most inner steps a lane may train with.
        test_cap: Most inner steps a lane may be scored at.
        dtype: "float32" or "float64".
    """

    tasks: dict[str, Any]
    model: dict[str, Any]
    algorithm: str
    structure: dict[str, Value]
    step_cap: int
    test_cap: int
    dtype: str = "float32"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Signature":
        """The signature that `to_json` gave."""
        return cls(**data)

    def digest(self) -> str:
        """A SHA-256 that equal signatures share."""
        return _digest(self.to_json())

    def state_digest(self, algorithm: Algorithm) -> str:
        """A SHA-256 shared by signatures between which a lane may move as it is.

        A lane's state and the tasks it trains on depend neither on how its meta-gradient is
        computed (`Algorithm.of_the_gradient`) nor on the caps of its program.  A parameter that an
        algorithm has got since counts where it has not its default.
        """
        data, own = self.to_json(), algorithm.parameters()
        del data["step_cap"], data["test_cap"]
        structure = {
            name: value
            for name, value in self.structure.items()
            if name not in algorithm.of_the_gradient
            and not (name in own and own[name].added and value == own[name].default)
        }
        return _digest({**data, "structure": structure})


def meta_batch(signature: Signature) -> int:
    """Tasks of a meta-iteration; 1 where nothing is meta-learned."""
    return int(signature.structure.get("meta_batch", 1))


def _digest(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


STEP_BUCKETS = (1, 2, 3, 5, 8, 12, 20, 30)
"""Caps of programs that unroll their inner steps (`benchmarks/inner_steps.py` measures them)."""


def step_bucket(algorithm: Algorithm, params: Mapping[str, Value], most: int) -> int:
    """The cap of a trial's program where trials of up to `most` inner steps are searched.

    Where a program unrolls the inner loop, as in second order, every lane pays for the cap: there a
    trial gets the smallest bucket it fits in.  The others run a loop that ends with the lane that
    needs the most steps, so all share one program.

    Args:
        params: All meta-parameters of the trial.
    """
    if not algorithm.unrolled(params):
        return most
    steps = steps_of(params).train
    return min([most, *(bucket for bucket in STEP_BUCKETS if bucket >= steps)])


def signature_of(
    *,
    tasks: dict[str, Any],
    model: dict[str, Any],
    algorithm: str | Algorithm,
    params: Mapping[str, Value],
    step_cap: int | None = None,
    test_cap: int | None = None,
    dtype: str = "float32",
) -> Signature:
    """The signature of a trial with these meta-parameters.

    Args:
        params: Meta-parameters by name; the others have their defaults.
        step_cap, test_cap: Caps shared by the trials of a branch; by default the trial's own.

    Raises:
        InvalidMetaParameter: bad name or value.
    """
    record = algorithm if isinstance(algorithm, Algorithm) else ALGORITHMS.get(algorithm)
    values = record.complete(params)
    steps = steps_of(values)
    return Signature(
        # Through JSON, so that tuples and lists make the same signature.
        tasks=json.loads(json.dumps({k: v for k, v in tasks.items() if k != METRIC})),
        model=json.loads(json.dumps(model)),
        algorithm=record.name,
        structure=record.structure(values),
        step_cap=step_cap or steps.train,
        test_cap=test_cap or steps.test,
        dtype=dtype,
    )
