"""What a declared class of `torch.nn.Module` is: its constructor's options, known without torch.

`model: {kind: module, ref: "package.module:Net", options: {…}}` names one (`MODULES`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter as Argument
from typing import Any, Literal

from metaopt.errors import InvalidModel, MetaoptError
from metaopt.messages import did_you_mean, shown
from metaopt.models.constructor import constructor_of
from metaopt.options import Options
from metaopt.plain import plain

Type = Literal["int", "float", "bool", "text", "list", "mapping", "any", "code"]
_WORDS: Mapping[Type, str] = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "text",
    "list": "a list",
    "mapping": "a mapping",
}
_TYPES: Mapping[str, Type] = {
    "int": "int", "float": "float", "bool": "bool", "str": "text",
    "list": "list", "tuple": "list", "dict": "mapping",
}  # fmt: skip


@dataclass(frozen=True)
class ModuleOption:
    """An option of a class of modules: an argument of its constructor.

    Args:
        name: Of the argument.
        type: As its annotation, or its default, has it; "any" plain data where neither says, and
            "code" where the default is no plain data, so that a spec cannot say another.
        default: Plain data.
        required: Whether it has no default.
    """

    name: str
    type: Type = "any"
    default: Any = None
    required: bool = False

    def check(self, value: object) -> Any:
        """Return `value` as plain data.

        Raises:
            InvalidModel: it is of another type.
        """
        place, given = f"model.options.{self.name}", _of_option(self.name, value)
        if self.type == "code":
            raise InvalidModel(f"{place} is made by code and cannot be chosen by a spec")
        if given is None and self.default is None and not self.required:
            return None
        if not self._fits(given):
            raise InvalidModel(f"{place} must be {_WORDS[self.type]}, got {shown(value)}")
        return float(given) if self.type == "float" else given

    def _fits(self, given: Any) -> bool:
        if self.type in ("any", "code"):
            return True
        if isinstance(given, bool):
            return self.type == "bool"
        wanted: dict[str, type | tuple[type, ...]] = {
            "int": int, "float": (int, float), "bool": bool, "text": str, "list": list,
            "mapping": dict,
        }  # fmt: skip
        return isinstance(given, wanted[self.type])


@dataclass(frozen=True, eq=False)
class ModuleKind:
    """A class of modules by its ref.

    Args:
        name: "package.module:Class".
        doc: First line of what it says of itself.
        options: That its constructor takes beside input shape and outputs.
        takes_any: Whether it takes options of any other name too.
        source: () -> the class.
    """

    name: str
    doc: str
    options: tuple[ModuleOption, ...]
    source: Callable[[], Any]
    takes_any: bool = False

    def complete(self, chosen: Options) -> dict[str, Any]:
        """The options checked, with the default of every other.

        Raises:
            InvalidModel: an unknown option, one of another type, or one that is missing.
        """
        known = {option.name: option for option in self.options}
        for name in chosen:
            if not isinstance(name, str) or (name not in known and not self.takes_any):
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise InvalidModel(
                    f"model {self.name} has no option {shown(name)}"
                    f"{did_you_mean(name, known) or ';'} {has}"
                )
        for name, option in known.items():
            if option.required and name not in chosen:
                raise InvalidModel(f"model {self.name} needs model.options.{name}")
        defaults = {o.name: o.default for o in self.options if not o.required and o.type != "code"}
        own = {n: known[n].check(v) if n in known else _of_option(n, v) for n, v in chosen.items()}
        return {**defaults, **own}


def module_kind(ref: str, source: type) -> ModuleKind:
    """The record of a class of modules.

    Raises:
        InvalidModel: its constructor demands what has no name.
    """
    constructor = constructor_of(source)
    options = []
    for argument in constructor.options:
        if argument.kind is Argument.POSITIONAL_ONLY:
            if argument.default is Argument.empty:
                raise InvalidModel(f"{ref} demands {argument.name} by its place: give it a name")
            continue
        options.append(_option(argument))
    doc = (source.__dict__.get("__doc__") or "").strip().split("\n")[0]
    return ModuleKind(ref, doc, tuple(options), lambda: source, constructor.takes_any)


def plain_data(value: object) -> Any:
    """`value` as JSON has it: tuples are lists, numbers of numpy and torch are Python's.

    Raises:
        InvalidModel: it is none, as an object or NaN; the rule without a name.
    """
    given = plain(value)
    match given:
        case None | bool() | int() | str():
            return given
        case float() if given - given == 0:
            return given
        case list() | tuple():
            return [plain_data(one) for one in given]
        case Mapping() if all(isinstance(name, str) for name in given):
            return {name: plain_data(one) for name, one in given.items()}
    raise InvalidModel(f"must be plain data, got {shown(value)}")


def _of_option(name: str, value: object) -> Any:
    try:
        return plain_data(value)
    except InvalidModel as error:
        raise InvalidModel(f"model.options.{name} {error}") from None


def _option(argument: Argument) -> ModuleOption:
    annotation = argument.annotation
    named = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    required = argument.default is Argument.empty
    kind = _TYPES.get(str(named).partition("[")[0])
    if required:
        return ModuleOption(argument.name, kind or "any", required=True)
    try:
        default = plain_data(argument.default)
    except MetaoptError:
        return ModuleOption(argument.name, "code")
    by_default = "any" if default is None else _TYPES[type(default).__name__]
    option = ModuleOption(argument.name, kind or by_default, default)
    return (
        option
        if default is None or option._fits(default)
        else ModuleOption(argument.name, by_default, default)
    )
