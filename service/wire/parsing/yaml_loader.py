"""YAML to plain data: objects, lists, text, numbers, booleans and null; nothing else.

PyYAML composes the node tree; what the nodes mean is decided here, since its own rules are those
of YAML 1.1, where `no` is false, 1e-3 is text and 12:30 is 750.  Anchors and aliases are refused
while composing, so that a small document cannot grow.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: dict[str, Any] = {"": None, "~": None}
for _word, _value in (("null", None), ("true", True), ("false", False)):
    _WORDS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _value)


class YamlRefused(Exception):
    """The text is not YAML, or uses a part of it that is not supported; says which, and where."""


def load_yaml(
    text: str, number: Callable[[str], Any], twice: Callable[[], Any], max_depth: int
) -> Any:
    """The data of one YAML document.

    Args:
        text: The document.
        number: Turns the text of a number (also .inf and .nan) into a value.
        twice: Makes the value that stands for a key given twice.
        max_depth: Deepest nesting allowed.

    Raises:
        YamlRefused: See there.
    """
    try:
        node = _Composer(text, max_depth).get_single_node()
    except ReaderError as error:
        raise YamlRefused(f"is not valid YAML: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        raise YamlRefused(
            f"is not valid YAML: {error.problem}{_where(error.problem_mark)}"
        ) from None
    return None if node is None else _construct(node, number, twice)


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    def __init__(self, text: str, max_depth: int) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._max_depth, self._depth = max_depth, 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose one node, or refuse it before it can grow."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise YamlRefused(f"anchors and aliases are not supported{_where(event.start_mark)}")
        if event.tag is not None:
            raise YamlRefused(f"tags are not supported{_where(event.start_mark)}")
        if self._depth > self._max_depth:
            raise YamlRefused(f"is nested deeper than {self._max_depth}{_where(event.start_mark)}")
        self._depth += 1
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _construct(node: Node, number: Callable[[str], Any], twice: Callable[[], Any]) -> Any:
    if isinstance(node, SequenceNode):
        return [_construct(entry, number, twice) for entry in node.value]
    if isinstance(node, MappingNode):
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise YamlRefused(f"a key must be text{_where(key.start_mark)}")
            repeated = key.value in result
            result[key.value] = twice() if repeated else _construct(value, number, twice)
        return result
    assert isinstance(node, ScalarNode)
    return _scalar(node, number)


def _scalar(node: ScalarNode, number: Callable[[str], Any]) -> Any:
    if node.style is not None:  # quoted or block: text, whatever it looks like
        return node.value
    if node.value in _WORDS:
        return _WORDS[node.value]
    return number(node.value) if _NUMBER.fullmatch(node.value) else node.value


def _where(mark: Any) -> str:
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
