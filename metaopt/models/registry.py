"""Kinds of models by name; no torch here (`metaopt.models.make` makes them)."""

from metaopt.errors import InvalidModel
from metaopt.models.kind import ModelKind
from metaopt.registry import Registry

MODELS: Registry[ModelKind] = Registry("model.kind", "metaopt.models.kinds", InvalidModel)
