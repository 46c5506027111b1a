"""`--set PATH=VALUE`: fields of a spec that the command line changes before it is submitted.

A path has dots between its parts: `budget.trials=20`.  A branch goes by its name, else by its
algorithm: `branches.maml.space.inner_lr=0.01`.  The value is YAML: 20, true, [1, 2], {low: 1,
high: 2}.
A branch without `space` searches the documented ranges, and goes on searching the others of them
where one is set.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from metaopt.messages import did_you_mean
from service.cli.exits import Exit, Stop
from service.errors import InvalidSpec
from service.wire.characters import printable
from service.wire.parsing.plain_data import parse_yaml
from service.wire.spec.space import documented_space


def overridden(document: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A copy of a spec with fields changed; the server says whether they are right.

    Raises:
        Stop: A setting is not PATH=VALUE, its value is no YAML, or its path leads through something
            that has no fields.
    """
    changed = _copy(document)
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not all(path.split(".")):
            rule = f"--set must be PATH=VALUE, as budget.trials=20, got {setting!r}"
            raise Stop(Exit.USAGE, rule)
        _put(changed, path.split("."), _value(value, setting), setting)
    assert isinstance(changed, dict)
    return changed


def _value(text: str, setting: str) -> Any:
    try:
        return parse_yaml(os.fsencode(text)) if text.strip() else None
    except InvalidSpec as error:
        rule = error.errors[0].message
        raise Stop(Exit.USAGE, f"--set {printable(setting)}: the value {rule}") from None


def _put(where: Any, path: Sequence[str], value: Any, setting: str) -> None:
    *before, last = path
    for part in before:
        where = _step(where, part, setting)
    if not isinstance(where, dict):
        raise _nowhere(setting, last)
    where[last] = value


def _step(where: Any, part: str, setting: str) -> Any:
    if isinstance(where, dict):
        return where.setdefault(part, _absent(where, part))
    if isinstance(where, list):
        branches = [branch for branch in where if isinstance(branch, dict)]
        names = [branch.get("name", branch.get("algorithm")) for branch in branches]
        if part in names:
            return branches[names.index(part)]
        meant = did_you_mean(part, [name for name in names if isinstance(name, str)])
        raise _nowhere(setting, part, meant)
    raise _nowhere(setting, part)


def _absent(where: dict[str, Any], part: str) -> dict[str, Any]:
    """What stands for a field that is not written."""
    if part == "space" and "algorithm" in where:
        return dict.fromkeys(documented_space(where["algorithm"]), "default")
    return {}


def _nowhere(setting: str, part: str, meant: str = "") -> Stop:
    rule = f"the spec has no place for {part!r} there{meant}"
    return Stop(Exit.USAGE, f"--set {printable(setting)}: {rule}")


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
