"""The experiment of each preset: its tasks, network and length, whole and for a core or two.

The small one has the preset's meta-parameters on the same tasks, with fewer filters and
meta-iterations: what it reaches says that the recipe trains, not that the figure is reproduced.
"""

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.recipe import Recipe
from metaopt.evaluation.bank import BankSpec
from metaopt.presets import find_preset


@dataclass(frozen=True)
class Experiment:
    """What a preset was published for.

    Args:
        tasks, model: As in a study spec.
        meta_iterations: Of the published run.
        bank: As the source judges, with our query examples where it has fewer.
        small_model: Options of the network in the small run.
        small_iterations: Its meta-iterations.
        small_tasks: Tasks that it is judged on.
    """

    tasks: dict[str, Any]
    model: dict[str, Any]
    meta_iterations: int
    bank: BankSpec
    small_model: dict[str, Any]
    small_iterations: int
    small_tasks: int = 200

    def recipe(self, preset: str, *, small: bool) -> Recipe:
        """The training of a preset.

        Raises:
            InvalidMetaParameter: no such preset.
        """
        found = find_preset(preset)
        return Recipe(
            tasks=self.tasks,
            model={**self.model, **(self.small_model if small else {})},
            algorithm=found.algorithm,
            params=found.params(),
            meta_iterations=self.small_iterations if small else self.meta_iterations,
            bank=replace(self.bank, tasks=self.small_tasks) if small else self.bank,
        )


SMALL, FEW = {"filters": 8}, 4


def _omniglot(
    ways: int, shots: int, meta_iterations: int, small: int, steps: int, **other: Any
) -> Experiment:
    """Omniglot with batch statistics of the queries, as MAML and those after it have it."""
    model = {"kind": "conv4", **other.pop("model", {})}
    transductive = other.pop("transductive", True)
    tasks_judged = 40 if steps > 20 else 200  # such long adaptations take long
    tasks = {
        "kind": "omniglot", "n_way": ways, "k_shot": shots, "q_query": shots, "rotations": "task",
    }  # fmt: skip
    return Experiment(
        tasks={**tasks, **other},
        model=model,
        meta_iterations=meta_iterations,
        bank=BankSpec("test", 0, 600, shots, 1, steps, transductive),
        small_model=SMALL,
        small_iterations=small,
        small_tasks=tasks_judged,
    )


def _sinusoid(meta_iterations: int, small: int, bank: BankSpec, **other: Any) -> Experiment:
    model = {"kind": "mlp", "widths": [40, 40], **other.pop("model", {})}
    tasks = {"kind": "sinusoid", "k_shot": 10, "q_query": 10, **other}
    return Experiment(tasks, model, meta_iterations, bank, {}, small)


def _waves(shots: int, steps: int, queries: int = 10) -> BankSpec:
    return BankSpec("test", 0, 600, shots, queries, steps)


_PAPER_INIT = {"init": "truncated_normal"}  # of the sinusoid; convolutions have Xavier's, ours
_REPTILE = {"rotations": "classes", "split": "random:0"}
_MAX = {"pooling": "max"}

EXPERIMENTS: dict[str, Experiment] = {
    "paper:maml-sinusoid": _sinusoid(70_000, 20_000, _waves(5, 1), model=_PAPER_INIT),
    "paper:maml-omniglot-5w1s": _omniglot(5, 1, 60_000, 800, 3),
    "paper:maml-omniglot-20w1s": _omniglot(20, 1, 60_000, 120, 5),
    "code:learn2learn-maml-omniglot-5w1s": _omniglot(5, 1, 60_000, 800, 1),
    "paper:reptile-omniglot-5w1s": _omniglot(5, 1, 100_000, 1_000, 50, **_REPTILE),
    "paper:reptile-omniglot-5w5s": _omniglot(5, 5, 100_000, 900, 50, **_REPTILE),
    "paper:reptile-omniglot-20w1s": _omniglot(20, 1, 200_000, 400, 50, **_REPTILE),
    "paper:reptile-omniglot-20w5s": _omniglot(20, 5, 200_000, 400, 50, **_REPTILE),
    "code:reptile-sinusoid": _sinusoid(
        30_000, 30_000, _waves(10, 32, 50), phase=[0.0, 6.283185307179586],
        model={"widths": [64, 64], "activation": "tanh"},
    ),
    "code:meta_sgd-sinusoid": _sinusoid(60_000, 20_000, _waves(10, 1, 100)),
    "code:cavia-sinusoid": _sinusoid(50_000, 20_000, _waves(10, 1, 100)),
    "paper:protonet-omniglot-5w1s": _omniglot(
        5, 1, 40_000, 600, 0, rotations="classes", q_query=5, transductive=False, model=_MAX
    ),
    "paper:protonet-omniglot-20w1s": _omniglot(
        20, 1, 40_000, 600, 0, rotations="classes", q_query=5, transductive=False, model=_MAX
    ),
    "code:protonet-omniglot-5w1s": _omniglot(
        5, 1, 4_000, 600, 0, rotations="none", q_query=5, transductive=False, model=_MAX
    ),
    "code:r2d2-omniglot-5w1s": _omniglot(
        5, 1, 120_000, 600, 0, rotations="classes", q_query=5, transductive=False, model=_MAX
    ),
    "code:imaml-omniglot-5w1s": _omniglot(5, 1, 20_000, 150, 16),
    "code:maml_plus_plus-omniglot-20w1s": _omniglot(20, 1, 50_000, 150, 5, model=_MAX),
    "code:learn2learn-anil-fc100-5w5s": _omniglot(5, 5, 1_000, 200, 5, model=_MAX),
}  # fmt: skip


def shortened(recipe: Recipe, meta_iterations: int | None) -> Recipe:
    """The recipe, trained no longer than that and judged on a few tasks: to try the code."""
    if meta_iterations is None:
        return recipe
    bank = replace(recipe.bank, tasks=min(FEW, recipe.bank.tasks))
    length = min(meta_iterations, recipe.meta_iterations)
    return replace(recipe, meta_iterations=length, bank=bank)
