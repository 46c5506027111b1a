"""What every message has in common."""

from datetime import UTC
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """Base of every message: strict about names and numbers, never mutated."""

    # Strict: true is no number, "5" is no number, 2.5 is no count.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


BranchAlgorithm = Annotated[str, Field(default_factory=lambda fields: fields["branch"])]
"""The algorithm of the `branch` beside it; where only that is known, it was called so."""

Count = Annotated[int, Field(ge=1, le=10_000)]

Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
"""Whatever zone it came with, JSON has it in UTC, as `2026-11-30T01:30:00Z`."""
