"""A class of `torch.nn.Module` that a package, or a file, declares."""

from functools import lru_cache
from json import dumps, loads
from typing import TYPE_CHECKING, Any

from metaopt.errors import InvalidModel
from metaopt.messages import did_you_mean, shown
from metaopt.models.kind import ModelKind, adapt_option
from metaopt.models.module_kind import ModuleKind, plain_data
from metaopt.models.registry import MODULES
from metaopt.options import Option, Options

if TYPE_CHECKING:
    from metaopt.models.base import Model


def _parsed(given: object) -> dict[str, Any]:
    options = plain_data({} if given is None else given)
    if not isinstance(options, dict):
        raise InvalidModel(f"must be a mapping of options, got {shown(given)}")
    return options


def _declared(ref: object) -> ModuleKind:
    """The class of that ref: never a path of its own, always one that was declared."""
    names = MODULES.names()
    if ref in names:
        return MODULES.get(ref)
    there = f"one of {', '.join(names)}" if names else "that of a declared class; there is none"
    raise InvalidModel(
        f"model.ref must be {there}, got {shown(ref)}{did_you_mean(ref, names) or '.'}  A package "
        "declares a class of torch.nn.Module by an entry point of metaopt.models, as "
        'net = "package.module:Net", and METAOPT_PLUGINS allows the package; a file is named by '
        "--import"
    )


def _settled(options: dict[str, Any]) -> dict[str, Any]:
    own = _declared(options["ref"]).complete(options["options"])
    return {**options, "options": own}


@lru_cache(maxsize=4)  # a winner makes its model at every call, and a proof takes its time
def _lifted(
    kind: ModuleKind, options: str, input_shape: tuple[int, ...], outputs: int, adapt: str
) -> "Model":
    from metaopt.models.lift import proved
    from metaopt.models.modules import builder

    build = builder(kind.source(), input_shape, outputs, loads(options))
    return proved(kind.name, build, input_shape, outputs, adapt)


def _make(options: Options, input_shape: tuple[int, ...], outputs: int) -> "Model":
    kind = _declared(options["ref"])
    own = dumps(kind.complete(options["options"]), sort_keys=True)
    return _lifted(kind, own, tuple(input_shape), outputs, options["adapt"])


KIND = ModelKind(
    name="module",
    doc="A class of torch.nn.Module that an allowed package declares (docs/own-model.md).",
    options=(
        Option(
            "ref", "text", "", "Where the class is, as package.module:Net; it has to be declared.",
            pattern=r"^(|[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*)$",
            form="as package.module:Net",
        ),
        Option(
            "options", "record", {},
            "Arguments of its constructor, but for input_shape and outputs.",
            parse=_parsed,
        ),
        adapt_option(),
    ),
    make=_make,
    settle=_settled,
    batch_statistics=True,  # for all that is known without building one
)  # fmt: skip
