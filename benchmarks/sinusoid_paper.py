"""The sinusoid experiment of the MAML paper: MSE 0.67 after one step on 5 shots.

    python benchmarks/sinusoid_paper.py [--meta-iterations 70000] [--init truncated_normal]

Recipe of Finn, Abbeel & Levine (2017), section 5.1 and Table 2: α = 0.01, one inner step, K = 10
points in training, meta batch 25, Adam 1e-3, MLP 40-40; tested with 5 points.  Three seeds train
as lanes of one program.  `--init glorot` starts from our default initial weights instead of the
authors' (truncated normal 0.01, zero biases).
"""

import argparse
import statistics
import time

import torch

from metaopt.estimation.statistics import summarize
from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

TASKS = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
MODEL = {"kind": "mlp", "widths": [40, 40], "activation": "relu"}
RECIPE = {"inner_lr": 0.01, "inner_steps": 1, "outer_lr": 1e-3, "meta_batch": 25}
SEEDS = 3


def main() -> None:
    """Train, and print the adaptation curve on the way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meta-iterations", type=int, default=70_000)
    parser.add_argument("--init", default="truncated_normal", help="or glorot")
    arguments = parser.parse_args()
    horizon = arguments.meta_iterations
    torch.set_num_threads(1)
    signature = signature_of(
        tasks=TASKS,
        model={**MODEL, "init": arguments.init},
        algorithm="maml",
        params=RECIPE,
        test_cap=10,
    )
    population = Population(signature)
    for seed in range(SEEDS):
        population.admit(str(seed), RECIPE, seed=seed, horizon=horizon)
    bank = BankSpec("test", seed=0, tasks=600, k_shot=5, q_query=10, steps=10)
    print(f"torch {torch.__version__}, 1 thread; init {arguments.init}")
    print("600 test tasks, 5 shots, 3 seeds")
    print("meta-iterations  seconds  MSE after 1 step (per seed)       after 5   after 10")
    begin = time.perf_counter()
    for part in range(7):
        population.advance(horizon // 7)
        scores = population.evaluate(population.lanes, bank).values()
        first = "  ".join(
            f"{s.curve[1]:.3f} ± {1.96 * summarize(s.scores).stderr:.3f}" for s in scores
        )
        later = [statistics.fmean(s.curve_median[k] for s in scores) for k in (5, 10)]
        print(
            f"{(part + 1) * (horizon // 7):>15}  {time.perf_counter() - begin:7.1f}  {first}"
            f"   median {later[0]:.3f}  {later[1]:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
