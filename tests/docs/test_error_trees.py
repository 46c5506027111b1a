"""The tree at the top of an errors.py is the tree of its classes."""

import inspect
import re
from types import ModuleType

import pytest

import metaopt.errors
import service.errors


@pytest.mark.parametrize("module", [metaopt.errors, service.errors], ids=lambda m: m.__name__)
def test_the_tree_at_the_top_lists_every_error(module: ModuleType) -> None:
    classes = {
        name
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Exception) and cls.__module__ == module.__name__
    }
    assert module.__doc__ is not None
    drawn = re.findall(r"^[ │]*(?:[├└]── )?(\w+)(?=[ (\n])", module.__doc__, re.MULTILINE)
    assert classes == classes & set(drawn)
