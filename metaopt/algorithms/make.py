"""The learner of an algorithm for tasks of given shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from metaopt.algorithms.algorithm import ACTIONS, Algorithm, Values
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.registry import check_classes, check_targets
from metaopt.errors import InvalidModel
from metaopt.models.kind import ModelKind
from metaopt.models.make import make_model
from metaopt.tasks.base import Interactive
from metaopt.tasks.losses import Loss

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}  # of a model: see `Learner`


@dataclass(frozen=True)
class Asked:
    """What tasks ask a learner for.

    Args:
        input_shape: Of one input.
        outputs: Classes, or numbers to predict.
        classification: Whether they are classes.
        loss: Of their own, if they have one.
        environment: What a model acts in, if these are such tasks.
        train_classes: How many classes meta-training has in all; None where they do not say.
        name: What they are called.
    """

    input_shape: tuple[int, ...]
    outputs: int
    classification: bool
    loss: Loss | None = None
    environment: Interactive | None = None
    train_classes: int | None = None
    name: str = "of your own"

    @property
    def target(self) -> str:
        """Which of `metaopt.algorithms.algorithm.ALL_TARGETS` it is."""
        if self.environment is not None:
            return ACTIONS
        return "classes" if self.classification else "numbers"


def make_learner(
    algorithm: Algorithm,
    options: Values,
    model: Mapping[str, Any],
    asked: Asked,
    kind: ModelKind | None = None,
) -> Learner:
    """What `algorithm` meta-learns for such tasks.

    Args:
        options: Its structural values.
        model: As in a study spec.
        asked: By the tasks.
        kind: Of the model; None looks it up.

    Raises:
        InvalidMetaParameter: the algorithm is not for such tasks.
        InvalidModel: no such model, or one that the algorithm cannot use.
    """
    check_targets(algorithm, asked.target)
    numbered = asked.train_classes is not None
    check_classes(algorithm, asked.target, numbered, asked.name)
    shapes = algorithm.model_shapes(options, tuple(asked.input_shape), asked.outputs)
    learner = Learner(
        make_model(model, *shapes, kind=kind),
        asked.classification,
        PRECISIONS[model.get("precision", "float32")],
        asked.loss,
        asked.outputs,
        asked.environment,
        asked.train_classes if algorithm.numbered_classes and asked.classification else None,
    )
    if asked.environment is not None and getattr(learner.model, "norms", False):
        raise InvalidModel(
            "a policy may have no batch norm: its statistics would be those of all trajectories at "
            "one time where it acts, and of all times where it learns; take a model without, as mlp"
        )
    made: Learner = algorithm.learner(learner, options)
    return made
