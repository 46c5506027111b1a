"""The pruning rules that there are, by name; neither Optuna nor torch is loaded to know them."""

from metaopt.errors import InvalidSearch
from metaopt.registry import Registry
from metaopt.search.pruning.rule import PruningRule

PRUNING_RULES: Registry[PruningRule] = Registry("pruning.kind", __package__, InvalidSearch)
