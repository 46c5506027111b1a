"""Training alone, without the service: what a notebook needs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from metaopt.algorithms.algorithm import Algorithm, steps_of
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidMetaParameter, InvalidPopulation, MetaoptError
from metaopt.evaluation.evaluate import Trained
from metaopt.keys import key
from metaopt.messages import shown
from metaopt.metaparams import Value
from metaopt.options import META_ITERATIONS, SEED
from metaopt.plain import whole
from metaopt.population.device import checked_device
from metaopt.population.own import AnyModel, AnyTasks, model_for, model_kind, model_spec, tasks_spec
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of
from metaopt.tasks.make import metric_of

Trials = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Meta-parameters of a trial, or of several."""


def train(
    algorithm: str | Algorithm,
    *,
    tasks: AnyTasks,
    model: AnyModel | None = None,
    params: Trials | None = None,
    meta_iterations: int = META_ITERATIONS.default,
    seed: int = SEED.default,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    first_order_until: int = 0,
    k_shot: int | None = None,
    q_query: int | None = None,
) -> Trained:
    """Train one trial, or several as lanes of one program, and return their meta-parameters.

    Whatever is not given has the default of a study spec; numbers of numpy and torch are as good
    as Python's own.

    Args:
        algorithm: "maml", "reptile", or a record of your own.
        tasks: As in a study spec, e.g. {"kind": "sinusoid", "k_shot": 5}; or a kind of your own,
            with its defaults; or a `Tasks` object, on `device` and of `dtype`.
        model: As in a study spec; or a kind, a `Model`, a `torch.nn.Module` or its class, or a
            function (input_shape, outputs) that makes one (docs/own-model.md).  None is
            {"kind": "conv4"} for images and {"kind": "mlp"} for other inputs; a spec has to name
            its model.
        params: Meta-parameters of each trial; those not given have their defaults
            (docs/meta-parameters.md has units, ranges and sources), and those that are not lane
            numbers must be the same for all.  None is one trial with the defaults.
        meta_iterations: Length of every trial, 1 to 10,000,000; schedules end there.
        seed: Seed of initial weights and training tasks, 0 <= seed < 2**53; the i-th trial has its
            own.
        device: "cpu", "cuda" or "cuda:N".
        dtype: "float32" or "float64".
        first_order_until: Up to which meta-iteration trials of order "second" take first-order
            meta-gradients, as `pruning.first_order_until` of a study; 0 is never.
        k_shot, q_query: Support and query examples per class (per task in regression), in place of
            those of `tasks`; a `Tasks` object has 10 each.

    Returns:
        Trials in the order of `params`, meta-parameters `phi` (H, P); a diverged one keeps its last
        finite weights.

    Raises:
        InvalidTasks, InvalidModel: no such kind or option, or a value that breaks its rule.
        InvalidMetaParameter: no such algorithm or parameter, or a value outside its bounds.
        InvalidPopulation: trials that cannot share a program, or a length, seed, device or float
            type that is none.

    Example:
        >>> trained = train("maml", tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        ...     model={"kind": "mlp", "widths": [8]}, params={"inner_lr": 0.01}, meta_iterations=2)
        >>> trained.phi.shape
        torch.Size([1, 25])

    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400 (MAML); Nichol, Achiam & Schulman (2018),
        arXiv:1803.02999 (Reptile).
    """
    record = algorithm if isinstance(algorithm, Algorithm) else ALGORITHMS.get(algorithm)
    full = [record.complete(trial) for trial in _trials(params)]
    length = _checked("meta_iterations", META_ITERATIONS.check, meta_iterations)
    seed = _checked("seed", SEED.check, seed)
    until = whole("first_order_until", first_order_until, 0, error=InvalidPopulation)
    device = checked_device(device)
    spec = tasks_spec(tasks, k_shot=k_shot, q_query=q_query)
    model = model_for(tasks, spec) if model is None else model
    model = model if isinstance(model, Mapping) else model_kind(model)
    signature = _signature(record, full, spec, model_spec(model), dtype)
    own: dict[str, Any] = {
        "tasks": None if isinstance(tasks, Mapping) else tasks,
        "model": None if isinstance(model, Mapping) else model,
        "algorithm": record,
    }
    cheap = min(until, length)
    if cheap < 1 or signature.structure.get("order") != "second":
        cheap = 0
    begin = {"order": "first"} if cheap else {}
    structure = {**signature.structure, **begin}
    population = Population(replace(signature, structure=structure), device=device, **own)
    for i, trial in enumerate(full):
        seed_of_trial = key("trial", seed, i)
        population.admit(str(i), {**trial, **begin}, seed=seed_of_trial, horizon=length)
    population.advance(cheap)
    if cheap:
        first, population = population, Population(signature, device=device, **own)
        population.take_over(first, order="second")
    population.advance(length - cheap)
    return population.trained()._replace(metric=metric_of(tasks))


def _trials(params: Trials | None) -> list[Mapping[str, Any]]:
    if params is None or isinstance(params, Mapping):
        return [params or {}]
    if isinstance(params, str | bytes) or not isinstance(params, Sequence) or not params:
        rule = "must be a dict of meta-parameters, or a list of one or more of them"
        raise InvalidMetaParameter(f"params {rule}, got {shown(params)}")
    return list(params)


def _checked(name: str, check: Any, value: object) -> int:
    try:
        return int(check(value))
    except MetaoptError as error:
        raise InvalidPopulation(f"{name} {error}") from None


def _signature(
    record: Algorithm,
    trials: Sequence[Mapping[str, Value]],
    tasks: dict[str, Any],
    model: dict[str, Any],
    dtype: str | torch.dtype,
) -> Signature:
    """The signature of the first trial, with the caps of all."""
    return signature_of(
        tasks=tasks,
        model=model,
        algorithm=record,
        params=trials[0],
        step_cap=max(steps_of(trial).train for trial in trials),
        test_cap=max(steps_of(trial).test for trial in trials),
        dtype=str(dtype).removeprefix("torch."),
    )
