"""Gradient-based meta-learning, many trials at once: train, evaluate, use the winner.

    from metaopt import BankSpec, evaluate, train

    trained = train("maml", tasks={"kind": "sinusoid"}, params={"inner_lr": 0.01})
    (scores,) = evaluate(trained, BankSpec("test", 0, tasks=200, k_shot=5, q_query=50, steps=5))

| train and judge | `train`, `evaluate`, `BankSpec`, `Trained`, `LaneScores` |
| a bank's tasks | `bank_tasks`, `trivial_scores` |
| a trained model | `read_winner`, `Winner`, `Adapted` |
| published recipes | `find_preset`, `PRESETS`, `Preset` |
| what there is | `ALGORITHMS`, `TASKS`, `MODELS` |
| your own | `Algorithm`, `MetaParam`, `TaskKind`, `ModelKind`, `Option`, `Examples`, `Episodes`, |
| | `lift`, `load_plugins` |
| what goes wrong | `MetaoptError`, a ValueError, and the leaves in `metaopt.errors` |

Names are imported when they are first asked for, so that whoever only names and checks kinds
loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.algorithms.algorithm import Algorithm
    from metaopt.algorithms.registry import ALGORITHMS
    from metaopt.errors import MetaoptError
    from metaopt.evaluation.bank import BankSpec
    from metaopt.evaluation.bank_task import bank_tasks
    from metaopt.evaluation.evaluate import LaneScores, Trained, evaluate
    from metaopt.evaluation.trivial import trivial_scores
    from metaopt.metaparams import MetaParam
    from metaopt.models.kind import ModelKind
    from metaopt.models.lift import lift
    from metaopt.models.registry import MODELS
    from metaopt.options import Option
    from metaopt.plugins.load import load_plugins
    from metaopt.population.train import train
    from metaopt.presets import PRESETS, Preset, find_preset
    from metaopt.tasks.base import Episodes, Examples
    from metaopt.tasks.kind import TaskKind
    from metaopt.tasks.registry import TASKS
    from metaopt.winner import Adapted, Winner, read_winner

__all__ = [
    "ALGORITHMS",
    "MODELS",
    "PRESETS",
    "TASKS",
    "Adapted",
    "Algorithm",
    "BankSpec",
    "Episodes",
    "Examples",
    "LaneScores",
    "MetaParam",
    "MetaoptError",
    "ModelKind",
    "Option",
    "Preset",
    "TaskKind",
    "Trained",
    "Winner",
    "bank_tasks",
    "evaluate",
    "find_preset",
    "lift",
    "load_plugins",
    "read_winner",
    "train",
    "trivial_scores",
]

_MODULES = {
    "algorithms.algorithm": ("Algorithm",),
    "algorithms.registry": ("ALGORITHMS",),
    "errors": ("MetaoptError",),
    "evaluation.bank": ("BankSpec",),
    "evaluation.bank_task": ("bank_tasks",),
    "evaluation.evaluate": ("LaneScores", "Trained", "evaluate"),
    "evaluation.trivial": ("trivial_scores",),
    "metaparams": ("MetaParam",),
    "models.kind": ("ModelKind",),
    "models.lift": ("lift",),
    "models.registry": ("MODELS",),
    "options": ("Option",),
    "plugins.load": ("load_plugins",),
    "population.train": ("train",),
    "presets": ("PRESETS", "Preset", "find_preset"),
    "tasks.base": ("Episodes", "Examples"),
    "tasks.kind": ("TaskKind",),
    "tasks.registry": ("TASKS",),
    "winner": ("Adapted", "Winner", "read_winner"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'metaopt' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"metaopt.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"metaopt.{name} needs {error.name}: pip install 'metaopt[server]'", name=error.name
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
