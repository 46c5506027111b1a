"""What judgements are made of: estimates, and fresh trainings."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ResultPart(BaseModel):
    """Base: finite numbers, fields unknown to an older client ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Estimate(ResultPart):
    """An estimate, its standard error and its 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float


class VerdictRun(ResultPart):
    """One fresh training of a finalist."""

    trial_number: int
    status: Literal["completed", "diverged", "failed"]
    score: float | None
    cause: str | None
