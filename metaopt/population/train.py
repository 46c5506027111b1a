"""Training alone, without the service: what a notebook needs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.evaluation.evaluate import Trained
from metaopt.keys import key
from metaopt.population.own import AnyModel, AnyTasks, model_spec, tasks_spec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of


def train(
    algorithm: str | Algorithm,
    *,
    tasks: AnyTasks,
    model: AnyModel,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    meta_iterations: int,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    first_order_until: int = 0,
    k_shot: int | None = None,
    q_query: int | None = None,
) -> Trained:
    """Train one trial, or several as lanes of one program, and return their meta-parameters.

    Args:
        algorithm: "maml", "reptile", or a record of your own.
        tasks: As in a study spec, e.g. {"kind": "sinusoid", "k_shot": 10, "q_query": 10}; or a kind
            of your own, with its defaults; or a `Tasks` object, on `device` and of `dtype`.
        model: As in a study spec; or a kind, a `Model`, or a function (input_shape, outputs) ->
            `Model` of your own.
        params: Meta-parameters of each trial; those not given have their defaults, and those
            that are not lane numbers must be the same for all.
        meta_iterations: Length of every trial; schedules end there.
        seed: Seed of initial weights and training tasks; the i-th trial has its own.
        device: "cpu" or "cuda".
        dtype: "float32" or "float64".
        first_order_until: Up to which meta-iteration trials of order "second" take first-order
            meta-gradients, as `pruning.first_order_until` of a study; 0 is never.
        k_shot, q_query: Support and query examples per class (per task in regression), in place of
            those of `tasks`; a `Tasks` object has 10 each.

    Returns:
        Trials in the order of `params`; a diverged one keeps its last finite weights.

    Raises:
        InvalidMetaParameter, InvalidPopulation, InvalidTasks, InvalidModel: bad input.

    Example:
        >>> trained = train("maml", tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        ...     model={"kind": "mlp", "widths": [8]}, params={"inner_lr": 0.01}, meta_iterations=2)
        >>> trained.phi.shape
        torch.Size([1, 25])
    """
    trials = [params] if isinstance(params, Mapping) else list(params)
    record = algorithm if isinstance(algorithm, Algorithm) else ALGORITHMS.get(algorithm)
    full = [record.complete(trial) for trial in trials]
    own: dict[str, Any] = {
        "tasks": None if isinstance(tasks, Mapping) else tasks,
        "model": None if isinstance(model, Mapping) else model,
        "algorithm": record,
    }
    signature = signature_of(
        tasks=tasks_spec(tasks, k_shot=k_shot, q_query=q_query),
        model=model_spec(model),
        algorithm=record,
        params=full[0],
        step_cap=max(int(trial["inner_steps"]) for trial in full),
        test_cap=max(int(trial["test_steps"]) or int(trial["inner_steps"]) for trial in full),
        dtype=dtype,
    )
    cheap = min(first_order_until, meta_iterations)
    if cheap < 1 or signature.structure.get("order") != "second":
        cheap = 0
    begin = {"order": "first"} if cheap else {}
    structure = {**signature.structure, **begin}
    population = Population(replace(signature, structure=structure), device=device, **own)
    for i, trial in enumerate(full):
        seed_of_trial = key("trial", seed, i)
        population.admit(str(i), {**trial, **begin}, seed=seed_of_trial, horizon=meta_iterations)
    population.advance(cheap)
    if cheap:
        first, population = population, Population(signature, device=device, **own)
        population.take_over(first, order="second")
    population.advance(meta_iterations - cheap)
    return population.trained()
