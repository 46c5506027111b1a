"""Lane files: a lane's checkpoint and its model file, and how a trial goes on from the former.

    lane ──write_checkpoint──▶ file ──read_same_trial──▶ lane, if it is the same trial
      └────write_model───────▶ file of the meta-parameters and their adaptation, for users

Every lane here is one alone (H = 1).  The formats are those of `checkpoint` and `model_file`.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.errors import InvalidPopulation
from metaopt.metaparams import Value
from metaopt.population import checkpoint, model_file
from metaopt.population.checkpoint import Saved
from metaopt.population.fresh import own_numbers
from metaopt.population.kinds import plugins_of
from metaopt.population.lanes import Lanes
from metaopt.population.step import Program, inner_state
from metaopt.tasks.base import Prepared

NUMBERS = ("seed", "horizon", "inner_lr", "outer_lr", "inner_steps", "test_steps")
"""What tells trials of one signature apart, beside the numbers of the algorithm itself."""


def read_same_trial(
    path: Path, digest: str | None, *, name: str, fresh: Lanes, program: Program, device: str
) -> Saved:
    """The lane in a checkpoint, which must be of the same trial as `fresh`.

    Args:
        digest: SHA-256 the file must have; None takes any.
        name: The lane's, for the refusal.
        fresh: The trial before its first meta-iteration.

    Raises:
        CorruptCheckpoint: the file is not what it should be.
        InvalidPopulation: it has another trial's seed, horizon or meta-parameters.
    """
    lane, kept = checkpoint.read(path, program, digest, device)
    lane = lane.replace(numbers=_added(program, fresh) | dict(lane.numbers))
    wanted, stored = fresh.tensors(), lane.tensors()
    for number in (*NUMBERS, *(n for n in wanted if n.startswith("numbers."))):
        want, have = wanted[number].item(), stored[number].item()
        if want != have:
            raise InvalidPopulation(
                f"the checkpoint of lane {name!r} has {number} = {have!r}, the trial {want!r}"
            )
    return Saved(lane, kept)


def _added(program: Program, fresh: Lanes) -> dict[str, Tensor]:
    """The numbers that an older checkpoint lacks, with their defaults."""
    return {
        param.name: torch.full_like(fresh.numbers[param.name], float(param.default))
        for param in own_numbers(program.kinds.algorithm)
        if param.added
    }


def write_checkpoint(
    path: Path, saved: Saved, program: Program, params: Mapping[str, Value]
) -> str:
    """Write a lane to `path`, whole or not at all, and return the file's SHA-256."""
    return checkpoint.write(path, saved, program, dict(params))


def write_model(
    path: Path,
    lane: Lanes,
    program: Program,
    params: Mapping[str, Value],
    *,
    transductive: bool,
    hardest: str | None = None,
) -> str:
    """Write a lane's model file, whole or not at all, and return its SHA-256."""
    weights = program.learner.layout.unflatten(lane.phi[0])
    card = model_card(lane, program, params, transductive=transductive)
    model = model_file.ModelFile(card, weights, _inner(lane, program), hardest)
    return model_file.write(path, model)


def model_card(
    lane: Lanes, program: Program, params: Mapping[str, Value], *, transductive: bool
) -> model_file.Card:
    """The card of a lane's model file.

    Args:
        params: All meta-hyperparameters of the trial.
        transductive: How it was scored: where batch norm took its statistics from.
    """
    signature, tasks = program.signature, program.tasks
    return model_file.Card(
        algorithm=signature.algorithm,
        params=dict(params),
        tasks=signature.tasks,
        model=signature.model,
        input_shape=list(tasks.input_shape),
        outputs=tasks.outputs,
        classification=program.learner.classification,
        transductive=transductive,
        inner_lr=float(params.get("inner_lr", 0.0)),
        steps=int(lane.test_steps[0]),
        meta_iterations=int(lane.age[0]),
        own_loss=program.learner.own_loss is not None,
        acts=program.learner.environment is not None,
        plugins=[plugin.to_json() for plugin in plugins_of(signature)],
        data=tasks.preparation if isinstance(tasks, Prepared) else None,
        train_classes=program.learner.train_classes,
    )


def _inner(lane: Lanes, program: Program) -> InnerState | None:
    """Inner Adam's memory without the axis of lanes; None for SGD."""
    state = inner_state(program, lane)
    return state and InnerState({n: v[0] for n, v in state.v.items()}, state.steps[0])
