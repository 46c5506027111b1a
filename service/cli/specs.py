"""A spec as a command is given it: a file, with fields and gates changed by options."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.cli.exits import Exit, Stop
from service.cli.overrides import overridden
from service.wire.parsing.plain_data import parse_yaml


def read_spec(path: Path) -> dict[str, Any]:
    """A spec file as plain data; what it means is the server's to judge.

    Args:
        path: Of YAML or JSON, whatever its name ends in; `-` is stdin.

    Raises:
        Stop: No such file, or no mapping in it.
        InvalidSpec, BodyTooLarge: Not YAML or JSON as the server reads them.
    """
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Stop(Exit.USAGE, f"{path} cannot be read: {error.strerror}") from None
    document = parse_yaml(body)  # JSON is YAML, too
    if not isinstance(document, dict):
        raise Stop(Exit.USAGE, f"{path} must hold a mapping of fields, as in examples/")
    return document


def changed_spec(
    document: dict[str, Any],
    settings: Sequence[str] | None,
    rules: Sequence[str] | None,
    baseline: str | None,
    promote: str | None,
    undecided: str | None,
) -> dict[str, Any]:
    """A spec with the fields and gates of the command line in it."""
    flags = {
        "rules": list(rules) if rules else None,
        "baseline": baseline,
        "promote": promote,
        "undecided": undecided,
    }
    changed = overridden(document, settings or [])
    chosen = {name: value for name, value in flags.items() if value is not None}
    if chosen:
        of_spec = changed.get("gates", {})
        if not isinstance(of_spec, dict):
            raise Stop(Exit.USAGE, f"gates must be a mapping of fields, got {of_spec!r}")
        changed["gates"] = {**of_spec, **chosen}
    return changed
