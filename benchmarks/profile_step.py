"""Where the time of a compiled sinusoid meta-iteration goes.

    python benchmarks/profile_step.py

Eight lanes in programs as a worker makes them, second order, 1 and 5 inner steps, one thread:
matrix products, fused kernels, and what is left (allocations, calls); and the rate of the products
beside that of a large one.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.suite.process import keep_memory
from metaopt.models.registry import MODELS
from metaopt.population.population import Population
from metaopt.population.signature import signature_of

LANES, REPEATS = 8, 64
PROFILED = replace(
    MODELS.get("mlp"), name="mlp_profiled", inductor={"cpp.enable_kernel_profile": True}
)


def population(steps: int) -> Population:
    """The lanes of the benchmark's work item."""
    signature = signature_of(
        tasks={"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        model={"kind": PROFILED.name, "widths": [40, 40]},
        algorithm="maml",
        params={"inner_steps": steps},
    )
    made = Population(signature)
    for i in range(LANES):
        made.admit(str(i), {"inner_steps": steps}, seed=i, horizon=10**6)
    return made


def large_rate() -> float:
    """Rate of a large product in GFLOP/s, the best of five."""
    a, best = torch.rand(1024, 1024), float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begun)
    return 2 * 1024**3 / best / 1e9


def main() -> None:
    """Print the shares of both programs."""
    keep_memory()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread; a large product: {large_rate():.0f} GFLOP/s")
    with MODELS.including(PROFILED):
        profile_steps()


def profile_steps() -> None:
    """Print where the time goes, by number of inner steps."""
    for steps in (1, 5):
        with FlopCounterMode(display=False) as counter:
            population(steps).advance(1)
        made = population(steps)
        with tempfile.TemporaryDirectory() as directory:
            made.use_compiled(Path(directory))
            made.advance(REPEATS)
            with torch.profiler.profile() as profile:
                begun = time.perf_counter()
                made.advance(REPEATS)
                seconds = time.perf_counter() - begun
        events = profile.key_averages()
        spent = {"products": 0.0, "fused kernels": 0.0}
        for event in events:
            kind = "products" if event.key.startswith("aoti_torch_cpu_bmm") else None
            kind = "fused kernels" if "cpp_fused" in event.key else kind
            if kind:
                spent[kind] += event.self_cpu_time_total / 1e6
        rate = counter.get_total_flops() * REPEATS / spent["products"] / 1e9
        shares = ", ".join(f"{name} {100 * s / seconds:.0f} %" for name, s in spent.items())
        left = 100 * (1 - sum(spent.values()) / seconds)
        print(
            f"{steps} inner steps: {shares}, the rest {left:.0f} %; products at {rate:.0f} GFLOP/s"
        )


if __name__ == "__main__":
    main()
