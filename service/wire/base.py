"""What every message has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """Base of every message: strict about names and numbers, never mutated."""

    # Strict: true is no number, "5" is no number, 2.5 is no count.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


Count = Annotated[int, Field(ge=1, le=10_000)]
