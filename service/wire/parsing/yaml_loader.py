"""YAML to plain data: objects, lists, text, numbers, booleans and null; nothing else.

libyaml composes the node tree, once its events have been counted; PyYAML's own parser, fifty times
as slow, does where there is no libyaml, or to say what is wrong with a short document.  What nodes
mean is decided here, since their rules are those of YAML 1.1, where `no` is false, 1e-3 is text and
12:30 is 750.  An alias (`*base`) repeats what its anchor names, a merge key (`<<`) takes the fields
of an object that are not given beside it; written out, a document may have no more than `most`
characters and `most_values` values, so that a small one cannot grow.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.events import CollectionEndEvent, CollectionStartEvent, Event
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from service.wire.characters import character
from service.wire.parsing.encoding import place

_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: dict[str, Any] = {"": None, "~": None}
for _word, _value in (("null", None), ("true", True), ("false", False)):
    _WORDS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _value)
_MERGE = "<<"
LIBYAML: bool = yaml.__with_libyaml__
MOST_EXPLAINED = 2000
"""Events of a document before its error, so that PyYAML still finds it in milliseconds."""
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class YamlRefused(Exception):
    """The text is not YAML, or uses a part of it that is not supported; says which, and where.

    Args:
        offset: Of the place in the text; None where the message has it.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class Rules(NamedTuple):
    """What a document may have.

    Args:
        number: Turns the text of a number (also .inf and .nan) into a value.
        twice: Makes the value that stands for a key given twice.
        max_depth: Deepest nesting allowed.
        most: Characters of the document once aliases and merge keys are written out.
        most_values: Values of it, likewise.
    """

    number: Callable[[str], Any]
    twice: Callable[[], Any]
    max_depth: int
    most: int
    most_values: int


def load_yaml(text: str, rules: Rules) -> Any:
    """The data of one YAML document.

    Raises:
        YamlRefused: See there.
    """
    try:
        slow = _Composer(text, rules.max_depth)  # refuses characters that are not allowed
        node = _composed(text, rules) if LIBYAML else slow.get_single_node()
    except _Elsewhere as error:
        node = _explained(text, slow, error)
    except ReaderError as error:
        at = place(text, error.position).partition(", where")[0]
        char = character(text[error.position])
        raise YamlRefused(f"is not valid YAML: {char} is not allowed, at {at}") from None
    except yaml.MarkedYAMLError as error:
        raise _refused(text, error) from None
    except ValueError as error:  # a \U escape beyond Unicode
        raise YamlRefused(f"is not valid YAML: {error}") from None
    if node is None or _is_nothing(node):
        raise YamlRefused("is empty")
    return _Constructor(text, rules).value(node)


class _Elsewhere(Exception):
    """libyaml refuses the text; `events` says how much of it is before that."""

    def __init__(self, error: yaml.YAMLError | ValueError, events: int) -> None:
        super().__init__(str(error))
        self.error, self.events = error, events


def _composed(text: str, rules: Rules) -> Node | None:
    """The nodes of the text, by libyaml, if their events are neither too many nor too deep."""
    events = 0
    try:
        for events, _ in enumerate(_checked_events(text, rules), 1):
            if events > 2 * rules.most_values:  # an object has one for its end as well
                raise YamlRefused(f"has more than {rules.most_values} values: JSON may have more")
        found: Node | None = _FastComposer(text).get_single_node()
    except (yaml.YAMLError, ValueError) as error:
        raise _Elsewhere(error, events) from None
    return found


def _checked_events(text: str, rules: Rules) -> Iterator[Event]:
    parser, depth = _FastComposer(text), 0
    while parser.check_event():
        event: Any = parser.get_event()
        yield event
        if getattr(event, "tag", None) is not None:
            raise _tagged(text, event.start_mark.index)
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > rules.max_depth + 1:
            raise _too_deep(text, event.start_mark.index, rules.max_depth)


def _explained(text: str, slow: "_Composer", refused: _Elsewhere) -> Node | None:
    """What PyYAML says of a text that libyaml refuses; of much of it that would take long."""
    if refused.events <= MOST_EXPLAINED:
        try:
            return slow.get_single_node()
        except yaml.MarkedYAMLError as error:
            raise _refused(text, error) from None
        except ValueError as error:
            raise YamlRefused(f"is not valid YAML: {error}") from None
    if isinstance(refused.error, yaml.MarkedYAMLError):
        raise _refused(text, refused.error)
    raise YamlRefused(f"is not valid YAML: {refused.error}")


def _tagged(text: str, offset: int) -> YamlRefused:
    rule = "tags are not supported: put text that begins with ! in quotes,"
    return YamlRefused(f"{rule} at {place(text, offset)}")


def _too_deep(text: str, offset: int, max_depth: int) -> YamlRefused:
    return YamlRefused(f"is nested deeper than {max_depth} at {place(text, offset)}")


def _is_nothing(node: yaml.Node) -> bool:
    """Whether a document has no more than its `---`; a null that is written is a value."""
    return isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style


def _refused(text: str, error: yaml.MarkedYAMLError) -> YamlRefused:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return YamlRefused(f"is not valid YAML: {error.problem}")
    offset = mark.index
    if "another document" in str(error.problem):
        rule = "must hold one document, another one begins"
    elif "undefined alias" in str(error.problem):  # the text may be a secret: it is not repeated
        rule = "has an alias without an anchor: put text that begins with * in quotes,"
    elif text[offset : offset + 1] == "\t":
        rule = "is not valid YAML: take spaces where a tab stands"
    else:
        rule = f"is not valid YAML: {error.problem}"
    return YamlRefused(f"{rule} at {place(text, offset)}", offset)


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    def __init__(self, text: str, max_depth: int) -> None:
        self._text = text
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._max_depth, self._depth = max_depth, 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose one node, or refuse it before it can grow."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise _tagged(self._text, event.start_mark.index)
        if self._depth > self._max_depth:
            raise _too_deep(self._text, event.start_mark.index, self._max_depth)
        self._depth += 1
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


if LIBYAML:
    from yaml._yaml import CParser

    class _FastComposer(CParser, BaseResolver):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            BaseResolver.__init__(self)


class _Constructor:
    """Nodes to data; counts what aliases repeat, and refuses one inside what it names."""

    def __init__(self, text: str, rules: Rules) -> None:
        self._text, self._rules = text, rules
        self._written = self._values = 0
        self._open: list[Node] = []

    def value(self, node: Node) -> Any:
        if isinstance(node, ScalarNode):
            self._count(node)
            return self._scalar(node)
        if any(node is outer for outer in self._open):
            raise self._error(node, "an alias may not stand inside what it repeats")
        if len(self._open) > self._rules.max_depth:
            raise self._error(node, f"is nested deeper than {self._rules.max_depth}")
        self._count(node)
        self._open.append(node)
        if isinstance(node, SequenceNode):
            data: Any = [self.value(entry) for entry in node.value]
        else:
            data = self._object(node)
        self._open.pop()
        return data

    def _object(self, node: Node) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        merges = 0
        for key, value in node.value:
            name = self._key(key)
            if name == _MERGE and not key.style:
                merges += 1
                if merges > 1:
                    raise self._error(key, "a merge key (<<) is given twice: merge a list")
                for source in self._merged(value):
                    merged = source | merged  # of a list, the first that has a field
            elif name in own:
                own[name] = self._rules.twice()
            else:
                own[name] = self.value(value)
        return merged | own if merges else own

    def _merged(self, node: Node) -> Iterator[dict[str, Any]]:
        """The objects that a merge key takes fields of."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, MappingNode):
                raise self._error(source, "a merge key (<<) takes an object or a list of objects")
            yield self.value(source)

    def _key(self, key: Node) -> str:
        if not isinstance(key, ScalarNode):
            raise self._error(key, "a key must be text")
        self._count(key)
        return _whole(key.value)

    def _scalar(self, node: ScalarNode) -> Any:
        if node.style:  # quoted or block: text, whatever it looks like
            return _whole(node.value)
        if node.value in _WORDS:
            return _WORDS[node.value]
        is_number = _NUMBER.fullmatch(node.value)
        return self._rules.number(node.value) if is_number else node.value

    def _count(self, node: Node) -> None:
        self._values += 1
        if self._values > self._rules.most_values:
            rule = (
                f"has more than {self._rules.most_values} values once its aliases are written out"
            )
            raise self._error(node, f"{rule}: JSON may have more")
        self._written += 1 + (len(node.value) if isinstance(node, ScalarNode) else 0)
        if self._written > self._rules.most:
            rule = f"has more than {self._rules.most} characters once its aliases are written out"
            raise self._error(node, rule)

    def _error(self, node: Node, rule: str) -> YamlRefused:
        return YamlRefused(f"{rule}, at {place(self._text, node.start_mark.index)}")


def _whole(text: str) -> str:
    r"""Join the halves that JSON writes of a character beyond U+FFFF (`\ud83d\ude00`)."""
    if text.isascii():
        return text
    return _PAIR.sub(lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
