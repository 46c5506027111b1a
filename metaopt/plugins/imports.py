"""Importing somebody's module: whatever it raises is an error of that module."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from traceback import extract_tb
from typing import TYPE_CHECKING, TypeGuard

from metaopt.errors import InvalidPlugin, in_words
from metaopt.messages import shown

if TYPE_CHECKING:
    from torch import nn


def object_at(value: str) -> object:
    """What an entry point "package.module:KIND" leads to; imports the module.

    Raises:
        InvalidPlugin: the value is none, the import raises, or there is no such object.
    """
    module, colon, path = (part.strip() for part in value.partition(":"))
    path = path.partition("[")[0].strip()  # extras, which are of no use here
    if not (colon and module and path):
        raise InvalidPlugin(f"an entry point must be as package.module:KIND, got {shown(value)}")
    with only_its_own(module):
        imported = import_module(module)
        try:
            return reduce(getattr, path.split("."), imported)
        except AttributeError:
            raise InvalidPlugin(f"{module} has no {path}") from None


def is_class_of_modules(found: object) -> "TypeGuard[type[nn.Module]]":
    """Whether it is a class of `torch.nn.Module`."""
    from torch import nn

    return isinstance(found, type) and issubclass(found, nn.Module)


@contextmanager
def only_its_own(module: str) -> Iterator[None]:
    """Turn whatever is raised within into an error of `module`."""
    try:
        yield
    except (KeyboardInterrupt, InvalidPlugin):
        raise
    except BaseException as error:  # also SystemExit: a module that ends the process does not
        raise InvalidPlugin(f"importing {module} fails: {in_words(error)}{_where(error)}") from None


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""  # says it by itself
    frames = [
        frame for frame in extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
