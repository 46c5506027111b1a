"""Training alone, without the service: what a notebook needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaopt.evaluation.evaluate import Trained
from metaopt.keys import key
from metaopt.metaparams import complete
from metaopt.population.population import Population
from metaopt.population.signature import signature_of


def train(
    algorithm: str,
    *,
    tasks: dict[str, Any],
    model: dict[str, Any],
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    meta_iterations: int,
    seed: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
) -> Trained:
    """Train one trial, or several as lanes of one program, and return their meta-parameters.

    Args:
        algorithm: "maml" or "reptile".
        tasks, model: As in a study spec, e.g. {"kind": "sinusoid", "k_shot": 10, "q_query": 10}.
        params: Meta-parameters of each trial; those not given have their defaults, and those
            that are not lane numbers must be the same for all.
        meta_iterations: Length of every trial; schedules end there.
        seed: Seed of initial weights and training tasks; the i-th trial has its own.
        device: "cpu" or "cuda".
        dtype: "float32" or "float64".

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
    full = [complete(algorithm, dict(trial)) for trial in trials]
    signature = signature_of(
        tasks=tasks,
        model=model,
        algorithm=algorithm,
        params=full[0],
        step_cap=max(int(trial["inner_steps"]) for trial in full),
        test_cap=max(int(trial["test_steps"]) or int(trial["inner_steps"]) for trial in full),
        dtype=dtype,
    )
    population = Population(signature, device=device)
    for i, trial in enumerate(full):
        population.admit(str(i), trial, seed=key("trial", seed, i), horizon=meta_iterations)
    population.advance(meta_iterations)
    return population.trained()
