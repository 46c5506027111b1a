"""The rules that there are, and what a text among a spec's gates says."""

from metaopt.errors import InvalidGate
from metaopt.gates.rule import GateRule, Rule
from metaopt.messages import did_you_mean, shown
from metaopt.registry import Registry

RULES: Registry[GateRule] = Registry("a gate", "metaopt.gates.rules", InvalidGate)


def forms() -> list[str]:
    """How each rule is written, in the order in which people see them."""
    return [kind.form for kind in sorted(RULES.kinds(), key=lambda kind: (kind.place, kind.name))]


def listed_forms() -> str:
    """The forms as a message lists them: a, b or c."""
    *others, last = forms()
    return f"{', '.join(others)} or {last}"


def parse_rule(text: str) -> Rule:
    """The rule that a text says.

    Raises:
        InvalidGate: It says none; the message says what could be said.
    """
    name, colon, _ = text.partition(":")
    kind = RULES.get(name) if name in RULES.names() else None
    if kind is None or bool(colon) != (kind.read is not None):
        meant = "" if kind else did_you_mean(name, RULES.names())
        raise InvalidGate(f"a gate must be {listed_forms()}, got {shown(text)}{meant}")
    return Rule(text, kind, kind.read(text) if kind.read is not None else None)
