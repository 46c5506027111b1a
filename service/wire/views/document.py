"""The JSON document of a study: what `--json` writes and a downloaded folder holds.

Its JSON Schema is docs/study-document.schema.json.  Within one `schema_version` fields are added,
and never removed or given another meaning.
"""

from typing import Literal

from pydantic import Field

from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView, TrialView, View

DOCUMENT_VERSION: Literal[1] = 1


class StudyDocument(View):
    """A study with its spec, and where there is one its verdict with the gates' answers.

    `exit_code` is what the command ended with (docs/ci.md), null where it did not wait; `url` is
    the study's page.  `trials` are there where the command lists them.
    """

    schema_version: Literal[1] = DOCUMENT_VERSION
    study: StudyView
    result: StudyResult | None = None
    exit_code: int | None = Field(default=None, ge=0, le=130)
    url: str | None = None
    trials: list[TrialView] | None = None
