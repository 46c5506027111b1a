"""The tasks of a spec: `metaopt.tasks` makes them."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, field_validator, model_validator

from service.wire.base import Count, Wire

Interval = Annotated[tuple[float, float], Strict(False)]  # a list is as good


def _rising(interval: Interval) -> Interval:
    if not interval[0] < interval[1]:
        raise ValueError(f"low must be below high, got {list(interval)}")
    if max(map(abs, interval)) > 1e6:
        raise ValueError(f"bounds must be within ±1e6, got {list(interval)}")
    return interval


class SinusoidTasks(Wire):
    """y = A·sin(x − φ); one task is one (A, φ).  Finn et al. (2017), section 5.1."""

    kind: Literal["sinusoid"] = "sinusoid"
    k_shot: Count = 10
    q_query: Count = 10
    amplitude: Interval = (0.1, 5.0)
    phase: Interval = (0.0, math.pi)
    x: Interval = (-5.0, 5.0)

    _check = field_validator("amplitude", "phase", "x")(_rising)


class LinearTasks(Wire):
    """y = w·x + b + noise; one task is one (w, b), standard normal."""

    kind: Literal["linear"] = "linear"
    k_shot: Count = 10
    q_query: Count = 10
    features: Annotated[int, Field(ge=1, le=4096)] = 1
    noise: Annotated[float, Field(ge=0, le=1e3)] = 0.0


class OmniglotTasks(Wire):
    """N-way classification of Omniglot characters, 28×28, ink high."""

    kind: Literal["omniglot"] = "omniglot"
    n_way: Annotated[int, Field(ge=2, le=100)] = 5
    k_shot: Annotated[int, Field(ge=1, le=19)] = 1
    q_query: Annotated[int, Field(ge=1, le=19)] = 1
    split: Annotated[str, Field(pattern=r"^(vinyals|random:\d{1,9})$")] = "vinyals"
    rotations: Literal["none", "task", "classes"] = "none"

    @model_validator(mode="after")
    def _enough_drawings(self) -> Self:
        if self.k_shot + self.q_query > 20:
            raise ValueError(
                "k_shot + q_query must be at most the 20 drawings of a character, "
                f"got {self.k_shot} + {self.q_query}"
            )
        return self


Tasks = Annotated[SinusoidTasks | LinearTasks | OmniglotTasks, Field(discriminator="kind")]
