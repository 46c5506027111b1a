"""What inner steps cost: the waste of step buckets, and the price of recomputing.

    python benchmarks/inner_steps.py [--quick] [--json FILE]

Second order unrolls the inner loop, so every lane of a program pays for the program's cap.  Part
one times eager lanes (sinusoid, 25 tasks, MLP 40-40, 8 lanes, one thread) at every cap and prints,
for trials whose inner steps are uniform in a range, how much of the time each choice of buckets
wastes, and how many programs it needs.

Part two times second order with the graph of every inner step kept and with each recomputed in the
backward pass (the same, and one lane of conv4 with 16 filters on Omniglot, 8 tasks), and counts the
bytes that the inner loop keeps for it.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
from torch.autograd.graph import saved_tensors_hooks

from service.output_file import write_output

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.suite.process import keep_memory
from metaopt.algorithms import maml
from metaopt.algorithms.inner import for_tasks
from metaopt.population.population import Population
from metaopt.population.signature import STEP_BUCKETS, signature_of
from metaopt.population.step import draw

SINUSOID = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
MLP = {"kind": "mlp", "widths": [40, 40]}
OMNIGLOT = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 1}
CONV4 = {"kind": "conv4", "filters": 16}
LANES, MOST = 8, 12
LADDERS = {
    "one cap": lambda most: (most,),
    "powers of two": lambda most: (1, 2, 4, 8, 16),
    "ours": lambda most: STEP_BUCKETS,
    "every number": lambda most: tuple(range(1, most + 1)),
}


def population(steps: int, inner_graph: str = "keep", conv: bool = False) -> Population:
    """Return lanes that all take `steps` inner steps; of conv4 one."""
    params = {"inner_steps": steps, "inner_graph": inner_graph}
    params |= {"meta_batch": 8} if conv else {}
    tasks, model = (OMNIGLOT, CONV4) if conv else (SINUSOID, MLP)
    signature = signature_of(tasks=tasks, model=model, algorithm="maml", params=params)
    made = Population(signature, lane_chunk=LANES)
    for i in range(1 if conv else LANES):
        made.admit(str(i), params, seed=i, horizon=10**6)
    return made


def milliseconds(timed: dict[str, Population], repeats: int) -> dict[str, float]:
    """Return the median ms per trial and meta-iteration of each, taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for repeat in range(repeats + 1):
        for name, made in timed.items():
            begun = time.perf_counter()
            made.advance(3)
            if repeat:
                seconds[name].append((time.perf_counter() - begun) / 3 / len(made.lanes))
    return {name: 1e3 * statistics.median(values) for name, values in seconds.items()}


def kept_bytes(made: Population) -> int:
    """Return the bytes per lane that the inner loop keeps for the backward pass.

    Recomputed, the backward pass needs the graph of one step beside them.
    """
    lanes, learner = made._stacked(), made.program.learner
    episodes = draw(made.program, lanes, 1).at(0)
    start = for_tasks(
        learner.layout.unflatten(lanes.phi.detach().requires_grad_()), episodes.query.y.shape[1]
    )
    storages: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        maml.adapt(
            learner,
            start,
            episodes.support,
            inner_lr=lanes.inner_lr[:, None],
            inner_steps=lanes.inner_steps[:, None],
            step_cap=made.signature.step_cap,
            recompute=made.signature.structure["inner_graph"] == "recompute",
        )
    return sum(storages.values()) // len(made.lanes)


def waste(cost: dict[int, float], ladder: tuple[int, ...], most: int) -> tuple[float, int]:
    """Return the share of time wasted, and the programs used, for steps uniform in 1…most."""
    caps = {steps: min([most, *(c for c in ladder if c >= steps)]) for steps in range(1, most + 1)}
    paid = sum(cost[cap] for cap in caps.values())
    return 1 - sum(cost[steps] for steps in caps) / paid, len(set(caps.values()))


def main() -> None:
    """Print both tables, and write them as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    repeats = 2 if arguments.quick else 9
    print(f"{platform.machine()}, torch {torch.__version__}, one thread, median of {repeats}")
    timed = milliseconds({str(n): population(n) for n in range(1, MOST + 1)}, repeats)
    cost = {int(n): ms for n, ms in timed.items()}
    print("\nms per trial and meta-iteration by inner steps")
    print("  " + "  ".join(f"{n}: {ms:.2f}" for n, ms in cost.items()))
    print("\nshare of the time wasted (programs), inner steps uniform in")
    ranges = (3, 5, 8, 12)
    print(f"  {'':<14}" + "".join(f"{f'1..{most}':>12}" for most in ranges))
    wasted = {}
    for name, ladder in LADDERS.items():
        found = {most: waste(cost, ladder(most), most) for most in ranges}
        wasted[name] = {str(most): share for most, (share, _) in found.items()}
        cells = [f"{100 * share:.0f} % ({count})" for share, count in found.values()]
        print(f"  {name:<14}" + "".join(f"{cell:>12}" for cell in cells))
    print("\nsecond order with the graph of each inner step kept, and recomputed")
    price = {}
    for conv, steps in ((False, 1), (False, 5), (False, 10), (True, 1), (True, 5)):
        both = {kind: population(steps, kind, conv) for kind in ("keep", "recompute")}
        ms = milliseconds(both, repeats)
        size = {kind: kept_bytes(made) for kind, made in both.items()}
        name = f"{'conv4' if conv else 'mlp'}, {steps} steps"
        price[name] = {"ms": ms, "bytes": size}
        print(
            f"  {name:<15} {ms['keep']:.2f} and {ms['recompute']:.2f} ms "
            f"({ms['recompute'] / ms['keep']:.2f} times as long), "
            f"{size['keep'] / 2**20:.2f} and {size['recompute'] / 2**20:.2f} MiB kept per lane"
        )
    if arguments.json:
        results = {"ms_by_steps": timed, "waste": wasted, "recompute": price}
        write_output(arguments.json, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
