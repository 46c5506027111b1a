"""Plug-ins of workers: what they may import, and what each of them would have.

    sources ──a process for each sort of device──▶ descriptions
                └─ hangs, dies, talks nonsense ─▶ each source in a process of its own: only the one
                                                  at fault is refused, with the reason

No process is started where nothing may be imported.  Then, too, what is installed and not allowed
is told: its metadata say so.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import IO

import structlog

from metaopt.errors import InvalidPlugin, in_words
from metaopt.plugins.declared import declared
from metaopt.plugins.described import Described
from metaopt.plugins.description import FAMILIES, LONGEST, record_of
from metaopt.plugins.sources import Sources
from service.executors.answers import last_line
from service.executors.base import Plugin, Slot
from service.executors.channel import ChannelClosed, ChannelSilent, Json
from service.executors.child import ChildProcess
from service.executors.process import worker_environment
from service.wire.characters import printable

DESCRIBE_SECONDS = 60.0  # torch on a slow disk, and what somebody loads beside it
AT_ONCE = 4  # processes that each describe one source
_LAST_BYTES = 2**16

log = structlog.get_logger("executor")


@dataclass(frozen=True)
class Plugins:
    """What workers may import, and what came of it.

    Args:
        sources: Passed to every worker.
        by_device: What was described, by the sort of device that the slots have.
    """

    sources: Sources = Sources()
    by_device: Mapping[str, tuple[Described, ...]] = field(default_factory=dict)

    def on(self, slot: Slot) -> frozenset[Plugin]:
        """What the worker of a slot can be given work with."""
        return frozenset(
            Plugin(one.family, one.name, one.digest)
            for one in self.by_device.get(slot.device, ())
            if one.refused is None
        )

    def refusals(self) -> list[str]:
        """Why some of the sources cannot be used, each once."""
        asked = {*(one.package for one in self.sources.packages), *self.sources.files}
        why = (
            f"{one.package}: {one.refused}"
            for one in self.described()
            if one.refused is not None and one.package in asked
        )
        return list(dict.fromkeys(why))

    def described(self) -> tuple[Described, ...]:
        """Every plug-in once: as it can be used, if it can be anywhere."""
        found: dict[tuple[str, ...], Described] = {}
        everywhere = [one for described in self.by_device.values() for one in described]
        for one in sorted(everywhere, key=lambda one: one.refused is None):
            found[one.family, one.name, one.package, one.digest] = one
        return tuple(found[key] for key in sorted(found))


def describe_plugins(
    sources: Sources,
    slots: Iterable[Slot],
    environment: Mapping[str, str],
    *,
    seconds: float = DESCRIBE_SECONDS,
) -> Plugins:
    """Have everything described that workers may import.

    Args:
        sources: What that is.
        slots: Whose workers would import it.
        environment: Of the process that starts them.
        seconds: How long a description may take.
    """
    first = {slot.device: slot for slot in reversed(list(slots))}
    by_device = {
        device: _described(sources, worker_environment(slot, environment), seconds)
        for device, slot in first.items()
    }
    checked = {device: tuple(map(_checked, those)) for device, those in by_device.items()}
    found = Plugins(sources, checked)
    for one in found.described():
        tell = log.info if one.refused is None else log.warning
        tell(
            "plugin",
            family=one.family,
            name=one.name,
            package=one.package,
            version=one.version,
            refused=one.refused,
        )
    return found


def _checked(one: Described) -> Described:
    """What was said as it can be stored and shown; a record that is none is refused.

    Texts come from anybody's metadata and errors: no database holds all that they may have in them.
    """
    refused, record = one.refused, one.record
    if refused is None:
        try:
            record_of(one)
        except InvalidPlugin as error:
            refused, record = in_words(error), None
    return replace(
        one,
        name=_text(one.name),
        package=_text(one.package),
        version=_text(one.version),
        digest=_text(one.digest),
        record=record,
        refused=None if refused is None else _text(refused),
    )


def _text(said: str) -> str:
    return printable(said, keep="")[:LONGEST]


def _described(
    sources: Sources, environment: Mapping[str, str], seconds: float
) -> tuple[Described, ...]:
    declarations = declared(sources)
    not_allowed = tuple(one.described() for one in declarations if one.refused is not None)
    if not sources:
        return not_allowed
    try:
        return (*not_allowed, *_usable(sources, _ask(sources, environment, seconds)))
    except _Failed as failed:
        alone = _one_by_one(sources)
        if len(alone) == 1:
            return (*not_allowed, *_all_refused(sources, str(failed)))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="describing") as pool:
        found = pool.map(lambda one: _alone(one, environment, seconds), alone)
    return (*not_allowed, *(one for described in found for one in described))


class _Failed(Exception):
    """A process gave no answer, and why."""


def _alone(
    source: Sources, environment: Mapping[str, str], seconds: float
) -> tuple[Described, ...]:
    try:
        return _usable(source, _ask(source, environment, seconds))
    except _Failed as failed:
        return _all_refused(source, str(failed))


def _one_by_one(sources: Sources) -> list[Sources]:
    packages = [Sources(packages=(one,)) for one in sources.packages]
    return [*packages, *(Sources(files=(path,)) for path in sources.files)]


def _usable(sources: Sources, described: Sequence[Described]) -> tuple[Described, ...]:
    """What the answer says of what was asked about: others are not allowed there."""
    asked = {*(one.package for one in sources.packages), *sources.files}
    return tuple(one for one in described if one.package in asked)


def _all_refused(sources: Sources, why: str) -> tuple[Described, ...]:
    packages = {one.package for one in sources.packages}
    asked = (
        replace(one.described(), refused=why)
        for one in declared(sources)
        if one.package in packages and one.refused is None
    )
    files = (Described("tasks", "", path, "", "", refused=why) for path in sources.files)
    return (*asked, *files)


def _ask(sources: Sources, environment: Mapping[str, str], seconds: float) -> list[Described]:
    """What a process of its own says.

    Raises:
        _Failed: it hangs, dies or talks nonsense.
    """
    arguments, deadline = [json.dumps(sources.to_json())], time.monotonic() + seconds
    with tempfile.TemporaryFile() as said:
        try:
            process = ChildProcess("service.executors.describing", arguments, environment, said)
        except OSError as error:
            raise _Failed(f"no process can be started: {error.strerror}") from None
        try:
            answer = process.receive(seconds, lambda: time.monotonic() < deadline)
            return [_read(one) for one in answer["described"]]
        except (ChannelClosed, ChannelSilent):
            raise _Failed(_why(process.end(), said, deadline, seconds)) from None
        except (ValueError, TypeError, LookupError):
            raise _Failed("the process that imported it answered nonsense") from None
        finally:
            process.end()


def _read(data: Json) -> Described:
    """A description, of which only what it says may be wrong.

    Raises:
        ValueError, TypeError, LookupError: it is none.
    """
    one = Described.from_json(data)
    texts = one.name, one.package, one.version, one.digest, one.refused or ""
    if one.family not in FAMILIES or not all(isinstance(text, str) for text in texts):
        raise ValueError("no description")
    json.dumps(one.record, allow_nan=False)
    return one


def _why(how: str, said: IO[bytes], deadline: float, seconds: float) -> str:
    if time.monotonic() >= deadline:
        return f"importing it took longer than {seconds:g} s"
    said.seek(max(0, said.seek(0, os.SEEK_END) - _LAST_BYTES))
    last = last_line(said.read().decode(errors="replace"))
    return f"the process that imported it ended with {how}{f': {last}' if last else ''}"
