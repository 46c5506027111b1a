"""Registries: every kind of a thing is one record in one file, found by its name.

    metaopt/<family>/…/<kind>.py     KIND = TaskKind("sinusoid", …)
    TASKS.get("sinusoid")            the record; `TASKS.names()` are all that there are

Nothing lists the kinds: a registry reads its folder when it is first asked, and somebody else's
records are added through the same door (`add`).  A declaration loads neither torch nor Optuna, so
that whoever only names and checks kinds (wire, API, client, dispatcher) stays light: what needs
them is imported by a record's own functions, when they are called.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules
from threading import RLock
from typing import Generic, NamedTuple, Protocol, TypeVar

from metaopt.errors import MetaoptError
from metaopt.messages import did_you_mean, shown


class Named(Protocol):
    """A record of a registry."""

    @property
    def name(self) -> str: ...


Kind = TypeVar("Kind", bound=Named)


class Origin(NamedTuple):
    """Where a plug-in's kind is from.

    Args:
        package: Distribution that declares it, or the path of the imported file.
        version: Of the distribution; "" of a file.
        digest: SHA-256 of the sources.
        imported: Whether its code is here; else its record was made from a description.
    """

    package: str
    version: str
    digest: str
    imported: bool = False


class Registry(Generic[Kind]):
    """The kinds of one family, by name.

    Args:
        noun: What an error calls a kind of it, e.g. "tasks.kind".
        folder: Package whose modules declare one kind each, as `KIND`; a module without one
            (a base, a helper) is left alone.  None reads nothing.
        error: Raised where a name is not known or is taken.
    """

    def __init__(self, noun: str, folder: str | None, error: type[MetaoptError]) -> None:
        self._noun = noun
        self._folder = folder
        self._error = error
        self._kinds: dict[str, Kind] | None = None
        self._ours: frozenset[str] = frozenset()
        self._origins: dict[str, Origin] = {}
        self._past: dict[str, Kind] = {}
        self._reading = RLock()  # threads of an API may ask first at once

    def names(self) -> tuple[str, ...]:
        """Names of all kinds, in alphabetical order."""
        return tuple(sorted(self._all()))

    def kinds(self) -> tuple[Kind, ...]:
        """All kinds, in the order of their names."""
        every = self._all()
        return tuple(every[name] for name in sorted(every))

    def __iter__(self) -> Iterator[Kind]:
        """All kinds, in the order in which they were added."""
        return iter(tuple(self._all().values()))

    def __contains__(self, name: object) -> bool:
        """Whether `get` finds a kind of that name."""
        return self._find(name) is not None

    def get(self, name: object) -> Kind:
        """The kind of that name, also one that nobody can choose any more.

        Raises:
            MetaoptError: The registry's own `error`, listing what there is.
        """
        kind = self._find(name)
        if kind is None:
            raise self._error(
                f"{self._noun} must be one of {', '.join(self.names())}, got {shown(name)}"
                f"{did_you_mean(name, self.names())}"
            )
        return kind

    def add(self, kind: Kind) -> Kind:
        """Add a kind that stands in no folder of ours.

        Raises:
            MetaoptError: The registry's own `error`; another kind has this name.
        """
        if kind.name in self._all():
            raise self._error(f"{self._noun} {kind.name!r} is taken by another kind")
        self._put(kind)
        return kind

    def learn(self, kind: Kind, origin: Origin | None = None) -> Kind:
        """Add a plug-in's kind, in place of an earlier one of that name.

        Raises:
            MetaoptError: The registry's own `error`; a kind of ours has this name.
        """
        if self.is_ours(kind.name):
            raise self._error(f"{self._noun} {kind.name!r} is one of metaopt's own: rename it")
        self._put(kind)
        self._past.pop(kind.name, None)
        self._origins.pop(kind.name, None)
        if origin is not None:
            self._origins[kind.name] = origin
        return kind

    def remember(self, kind: Kind) -> None:
        """Let `get` find a kind that nobody can choose any more, so that its results are shown."""
        if kind.name not in self._all():
            self._past[kind.name] = kind

    def retire(self, name: str) -> None:
        """Let nobody choose a plug-in's kind any more; `get` still finds it."""
        if not self.is_ours(name) and (kind := self._take(name)) is not None:
            self._past[name] = kind
            self._origins.pop(name, None)

    def forget(self, name: str) -> None:
        """Take out a plug-in's kind; nothing where there is none of that name."""
        if not self.is_ours(name):
            self._take(name)
            self._past.pop(name, None)
            self._origins.pop(name, None)

    def origin(self, name: object) -> Origin | None:
        """The plug-in that the kind of that name is from; None of any other."""
        return self._origins.get(name) if isinstance(name, str) else None

    def is_ours(self, name: object) -> bool:
        """Whether the kind of that name stands in the registry's own folder."""
        self._all()
        return name in self._ours

    @contextmanager
    def including(self, kind: Kind) -> Iterator[Kind]:
        """Have `kind` for as long as the block runs."""
        self.add(kind)
        try:
            yield kind
        finally:
            self._take(kind.name)

    def _find(self, name: object) -> Kind | None:
        if not isinstance(name, str):
            return None
        return self._all().get(name) or self._past.get(name)

    def _put(self, kind: Kind) -> None:
        with self._reading:  # a new dictionary, since others may be reading the one that there is
            self._kinds = {**self._all(), kind.name: kind}

    def _take(self, name: str) -> Kind | None:
        with self._reading:
            left = dict(self._all())
            taken = left.pop(name, None)
            self._kinds = left
        return taken

    def _all(self) -> dict[str, Kind]:
        with self._reading:
            if self._kinds is None:
                self._kinds = {kind.name: kind for kind in self._declared()}
                self._ours = frozenset(self._kinds)
            return self._kinds

    def _declared(self) -> Iterator[Kind]:
        if self._folder is None:
            return
        for module in iter_modules(import_module(self._folder).__path__):
            kind = getattr(import_module(f"{self._folder}.{module.name}"), "KIND", None)
            if kind is not None:
                yield kind
