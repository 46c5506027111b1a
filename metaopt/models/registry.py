"""Kinds of models by name, and classes of modules by ref; no torch here."""

from metaopt.errors import InvalidModel
from metaopt.models.kind import ModelKind
from metaopt.models.module_kind import ModuleKind
from metaopt.registry import Registry

MODELS: Registry[ModelKind] = Registry("model.kind", "metaopt.models.kinds", InvalidModel)
"""`metaopt.models.make` makes them."""

MODULES: Registry[ModuleKind] = Registry("model.ref", None, InvalidModel)
"""Those that packages, or a file, declare: `model: {kind: module, ref: …}`."""
