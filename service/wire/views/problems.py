"""Problems: what an error looks like on the wire (RFC 9457), and what broke in a spec, in words."""

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:metaopt:problem:"


class BrokenRule(BaseModel):
    """One broken rule: where, and which."""

    field: str
    message: str


class Problem(BaseModel):
    """The body of every error; `code` and `type` are stable, the sentences are not."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:metaopt:problem:CODE")
    code: str
    title: str
    status: int
    detail: str
    errors: list[BrokenRule] = []
