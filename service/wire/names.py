"""Names that users give: what may stand in one, and in words what may not.

    name: Annotated[str, NameRule(allowed=r"a-z0-9-", words="a-z, 0-9 and -", example="ci")]

Refused everywhere: a name of nothing but spaces, spaces at its ends, and characters that nobody
sees or that direct how the rest is shown, since a name could then look like another.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from service.wire.characters import character, hidden, printable


@dataclass(frozen=True)
class NameRule:
    """Annotation of a `str` that is a name.

    Args:
        words: Characters that it may have, in words.
        example: A name.
        allowed: The same characters as in the brackets of a regular expression; "" is all that can
            be seen.
        first: Likewise those that it may begin with.
        most: Characters that it may have.
        only_new: A name that is stored already was accepted by the rules of its day: only what is
            validated in the context {"new": True} is held to this one.
    """

    words: str
    example: str
    allowed: str = ""
    first: str = ""
    most: int = 64
    only_new: bool = False

    def check(self, name: str) -> str:
        """The name, composed (NFC), so that the same letters are the same name.

        Raises:
            ValueError: It breaks the rule; says where, and what is allowed.
        """
        if not name.strip():
            raise ValueError(
                f"must not be {'empty' if not name else 'of spaces only'}{self._way()}"
            )
        if (unseen := hidden(name)) != []:
            raise ValueError(self._may_not(name, unseen[0]))
        if name != name.strip():
            raise ValueError(f"must not begin or end with a space, got {_quoted(name)}")
        name = unicodedata.normalize("NFC", name)
        if self.allowed and (wrong := re.search(f"[^{self.allowed}]", name)):
            raise ValueError(self._may_not(name, wrong.start()))
        if self.first and not re.match(f"[{self.first}]", name):
            raise ValueError(f"may not begin with {character(name[0])}{self._way()}")
        if len(name) > self.most:
            raise ValueError(f"must have at most {self.most} characters, got {len(name)}")
        return name

    @property
    def pattern(self) -> str:
        """The rule as a regular expression, for those who generate names: never in a message."""
        first = f"[{self.first or self.allowed}]"
        return f"^{first}[{self.allowed}]{{0,{self.most - 1}}}$"

    def _may_not(self, name: str, at: int) -> str:
        where = f"character {at + 1} of {_quoted(name)}"
        return f"may not have {character(name[at])}, {where}{self._way()}"

    def _way(self) -> str:
        return f": take {self.words}, as {self.example}"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A text, then the rule."""

        def checked(name: str, info: core_schema.ValidationInfo) -> str:
            new = not self.only_new or bool((info.context or {}).get("new"))
            return self.check(name) if new else name

        return core_schema.with_info_after_validator_function(checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The rule as far as a schema can say it."""
        said = handler(schema)
        return {**said, "pattern": self.pattern} if self.allowed else said


def _quoted(name: str) -> str:
    text = printable(name, keep="")
    return f"'{text}'" if len(text) <= 60 else f"'{text[:59]}…'"


STUDY_NAME = NameRule("anything that can be seen", "sinusoid maml", most=200, only_new=True)
SCHEDULE_NAME = NameRule(
    "letters A-Z and a-z, digits, . _ and - after a first letter or digit",
    "nightly-1",
    allowed="A-Za-z0-9._-",
    first="A-Za-z0-9",
)
BASELINE_NAME = NameRule(SCHEDULE_NAME.words, "main", SCHEDULE_NAME.allowed, SCHEDULE_NAME.first)
BRANCH_NAME = NameRule(
    "letters A-Z and a-z, digits, _ and - after a first letter or digit",
    "second-order",
    allowed="A-Za-z0-9_-",  # no dot: it parts the path of --set
    first="A-Za-z0-9",
    most=32,  # as the tables have it
)
WEBHOOK_NAME = NameRule(
    "a-z, digits, _ and - after a first letter or digit",
    "ci-nightly",
    allowed="a-z0-9_-",
    first="a-z0-9",
)
PROJECT_NAME = NameRule(
    WEBHOOK_NAME.words, "vision", allowed=WEBHOOK_NAME.allowed, first=WEBHOOK_NAME.first
)
KEY_NAME = NameRule(
    "letters, digits, spaces and . @ _ -", "ci@example.com", allowed=r"\w.@ -", most=200
)
