"""What a `torch.nn.Module` costs as a model beside the built-in one of the same layers.

    python -m benchmarks.lifted [--works mlp conv4] [--repeats 9] [--quick] [--results DIR]

Milliseconds per trial and meta-iteration of MAML, second order, one inner step, on one thread: both
models eager and compiled, in turns, so that all see the same machine; medians, with the quartiles'
half distance.  Compiling conv4 takes minutes.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.suite.machine import processor, watched
from benchmarks.suite.process import keep_memory
from metaopt.models.kind import ModelKind
from metaopt.models.lift import lift
from metaopt.models.registry import MODELS
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from service.output_file import write_output

FILTERS = 16


class Work(NamedTuple):
    """What is trained: `lanes` trials of a built-in model, and of the module that is its twin."""

    tasks: dict[str, Any]
    model: dict[str, Any]
    twin: Callable[[tuple[int, ...], int], nn.Module]
    lanes: int
    meta_batch: int
    meta_iterations: int


def mlp(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the layers of the built-in `mlp` of widths 40, 40."""
    layers = [nn.Linear(*input_shape, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(40, outputs))


def conv4(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the layers of the built-in `conv4`, strided."""
    layers: list[nn.Module] = []
    for channels in (input_shape[0], FILTERS, FILTERS, FILTERS):
        convolution = nn.Conv2d(channels, FILTERS, 3, stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(FILTERS), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * FILTERS, outputs))


WORKS = {
    "mlp": Work(
        {"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        {"kind": "mlp", "widths": [40, 40]},
        mlp, lanes=4, meta_batch=25, meta_iterations=40,
    ),
    "conv4": Work(
        {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 5},
        {"kind": "conv4", "filters": FILTERS},
        conv4, lanes=2, meta_batch=4, meta_iterations=8,
    ),
}  # fmt: skip


def population(work: Work, own: ModelKind | None) -> Population:
    """Return the work's trials with a module as their model, or with the built-in one."""
    model = work.model if own is None else own.complete({})
    params = {"meta_batch": work.meta_batch}
    signature = signature_of(tasks=work.tasks, model=model, algorithm="maml", params=params)
    made = Population(signature, model=own, program_lanes=work.lanes)
    for lane in range(work.lanes):
        made.admit(str(lane), params, seed=lane, horizon=10**6)
    return made


def contenders(work: Work) -> tuple[dict[str, Callable[[int], None]], dict[str, float]]:
    """Return what is timed by name, and the seconds that compiling took."""
    twin = replace(lift(work.twin), inductor=MODELS.get(work.model["kind"]).inductor)
    timed, seconds = {}, {}
    for name, own in (("built in", None), ("module", twin)):
        timed[f"{name}, eager"] = population(work, own).advance
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as directory:
            compiled = population(work, own)
            compiled.use_compiled(Path(directory))
            timed[f"{name}, compiled"] = compiled.advance
        seconds[f"{name}, compiled"] = time.perf_counter() - begun
    return timed, seconds


def milliseconds(
    timed: dict[str, Callable[[int], None]], work: Work, repeats: int
) -> dict[str, list[float]]:
    """Return ms per trial and meta-iteration, `repeats` of each, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for repeat in range(repeats + 1):
        for name, advance in timed.items():
            begun = time.perf_counter()
            advance(work.meta_iterations)
            spent = time.perf_counter() - begun
            if repeat:  # the first warms up
                taken[name].append(1e3 * spent / work.meta_iterations / work.lanes)
    return taken


def table(name: str, work: Work, repeats: int) -> str:
    """Return the lines of one work."""
    timed, seconds = contenders(work)
    taken = milliseconds(timed, work, repeats)
    medians = {contender: statistics.median(times) for contender, times in taken.items()}
    lines = [f"{name}: {work.lanes} lanes of {work.meta_batch} tasks, {work.tasks['kind']}"]
    for contender, median in medians.items():
        low, _, high = statistics.quantiles(taken[contender], n=4)
        built_in = medians["built in, " + contender.split(", ")[1]]
        told = f"; {seconds[contender]:.0f} s to compile" if contender in seconds else ""
        lines.append(
            f"  {contender:20}{median:9.3f} ms ±{50 * (high - low) / median:3.0f}% "
            f"{median / built_in:6.2f} of built in{told}"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", nargs="+", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="the mlp alone, twice")
    parser.add_argument("--results", type=Path, help="write lifted.txt there")
    options = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    works, repeats = (["mlp"], 2) if options.quick else (options.works, options.repeats)
    with watched() as machine:
        tables = [table(name, WORKS[name], repeats) for name in works]
    head = (
        f"{processor()}, torch {torch.__version__}, one thread, median of {repeats}; other "
        f"processes took {machine['others_share'] or 0:.0%} of the machine\n"
    )
    told = head + "".join(tables)
    print(told, end="")
    if options.results:
        write_output(options.results / "lifted.txt", told)


if __name__ == "__main__":
    main()
