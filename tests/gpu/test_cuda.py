"""The same code on a GPU."""

import pytest
import torch

from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
MLP = {"kind": "mlp", "widths": [16, 16]}
OMNIGLOT = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 2, "rotations": "task"}
CONV4 = {"kind": "conv4", "filters": 8}


@pytest.mark.parametrize("algorithm", ["maml", "reptile"])
@pytest.mark.parametrize(("tasks", "model"), [(SINUSOID, MLP), (OMNIGLOT, CONV4)])
def test_a_gpu_trains_the_same_trial_as_a_cpu(algorithm, tasks, model):
    params = {"meta_batch": 4, "inner_steps": 2, "inner_lr": 0.01}
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=params, dtype="float64"
    )
    bank = BankSpec("validation", 1, 10, tasks["k_shot"], tasks["q_query"], 2)
    curves = []
    for device in ("cpu", "cuda"):
        population = Population(signature, device=device)
        for lane in range(3):
            population.admit(str(lane), params, seed=lane, horizon=10)
        population.advance(10)
        curves.append(population.evaluate(["2"], bank)["2"].curve)
    assert curves[1] == pytest.approx(curves[0], rel=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [("maml", {}), ("maml", {"order": "first"}), ("reptile", {"inner_optimizer": "adam"})],
)
@pytest.mark.parametrize(("tasks", "model"), [(SINUSOID, MLP), (OMNIGLOT, CONV4)])
def test_training_does_not_wait_for_the_device(algorithm, options, tasks, model):
    params = {"meta_batch": 4, "inner_lr": 0.001, **options}
    signature = signature_of(tasks=tasks, model=model, algorithm=algorithm, params=params)
    population = Population(signature, device="cuda")
    population.admit("a", params, seed=1, horizon=10)
    population.advance(2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        population.advance(5)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert population.state("a").age == 7


@pytest.mark.parametrize("algorithm", ["maml", "reptile"])
@pytest.mark.parametrize(("tasks", "model"), [(SINUSOID, MLP), (OMNIGLOT, CONV4)])
def test_a_compiled_program_trains_like_the_plain_one(algorithm, tasks, model, tmp_path):
    params = {"meta_batch": 4, "inner_steps": 2, "inner_lr": 0.01}
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=params, dtype="float64"
    )
    plain, fast = (Population(signature, device="cuda") for _ in range(2))
    for population in (plain, fast):
        for lane in range(3):
            population.admit(str(lane), params, seed=lane, horizon=10)
    fast.use_compiled(tmp_path)
    for population in (plain, fast):
        population.advance(10)
    for name, weights in plain.weights("2").items():
        assert torch.allclose(fast.weights("2")[name], weights, rtol=1e-7, atol=1e-9)
