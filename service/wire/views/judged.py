"""What judgements are made of: estimates, and fresh trainings."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from metaopt.evaluation.intervals import Interval


class ResultPart(BaseModel):
    """Base: finite numbers, fields unknown to an older client ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Estimate(ResultPart):
    """An estimate, its standard error and its 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float

    @classmethod
    def of(cls, interval: Interval) -> "Estimate":
        """An interval as people read it, in the direction of the metric."""
        return cls(**interval._asdict())


class VerdictRun(ResultPart):
    """One fresh training of a finalist."""

    trial_number: int
    status: Literal["completed", "diverged", "failed"]
    score: float | None
    cause: str | None

    @classmethod
    def of(cls, training: object) -> "VerdictRun":
        """A fresh training, its fields copied by name."""
        return cls.model_validate(training, from_attributes=True)
