"""Who asks: which key, what it may do, and in which project it is at work."""

from enum import StrEnum
from typing import NamedTuple

from service.default_project import DEFAULT_PROJECT


class Scope(StrEnum):
    """What a key may do; `submit` includes `read`, and `admin` includes both."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"
    WORKER = "worker"  # for workers elsewhere; no route needs it yet

    def includes(self, other: "Scope") -> bool:
        """Whether who has this one may do what the other allows."""
        return other is self or other in _INCLUDED.get(self, ())


_INCLUDED = {Scope.SUBMIT: (Scope.READ,), Scope.ADMIN: (Scope.READ, Scope.SUBMIT)}
EVERY_SCOPE = tuple(Scope)


class Via(StrEnum):
    """How somebody came in."""

    KEY = "key"
    SESSION = "session"
    OPEN = "open"  # a server without keys
    COMMAND = "command"  # of the operator, at the database


class Identity(NamedTuple):
    """Who asks; the id and name of the key are empty on a server without keys.

    Args:
        api_key_id, name: Of the key; they stay the same when its secret is rotated.
        scopes: What it may do.
        projects: Whose things it may ask for; None is every project.
        project: In which of them it is at work in this request: it sees nothing else.
        via: How it came in.
        request_id: Of this request; the answer has it as X-Request-ID.
    """

    api_key_id: str
    name: str
    scopes: tuple[Scope, ...] = EVERY_SCOPE
    projects: tuple[str, ...] | None = None
    project: str = DEFAULT_PROJECT
    via: Via = Via.KEY
    request_id: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether it may do what the scope allows."""
        return any(own.includes(scope) for own in self.scopes)

    def home(self) -> str:
        """The project in which it is at work where none is asked for."""
        return DEFAULT_PROJECT if self.projects is None else self.projects[0]


ANYONE = Identity("", "", via=Via.OPEN)
NOBODY = Identity("", "", scopes=(), projects=(), via=Via.OPEN)
"""Who asks for a path that everybody may ask for."""
