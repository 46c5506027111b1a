"""A row measured here for each preset: docs/presets.md has it beside the published figure.

    python -m benchmarks.presets [--only PRESET …] [--whole] [--device cuda] [--results DIR]

The preset's meta-parameters train the small experiment of `benchmarks.experiments` (fewer filters
and meta-iterations; `--whole` takes the published size) and are judged on meta-test tasks.
`presets.json` in `--results` gets the rows that were measured and keeps the others, so that they
can be measured a few at a time.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.experiments import EXPERIMENTS, Experiment, shortened
from benchmarks.recipe import Judged, Machine, Recipe, trained, words
from metaopt.presets import PRESETS
from service.output_file import write_output

Row = dict[str, Any]


def row(recipe: Recipe, experiment: Experiment, judged: Judged, device: str) -> Row:
    """What is written of a preset."""
    images = recipe.tasks["kind"] == "omniglot"
    accuracy = judged.mean
    return {
        "measured": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "unit": "%" if images else "squared error",
        "said": words(accuracy, "%" if images else ""),
        "model": _model(recipe.model),
        "tasks": _tasks(recipe, judged.scores.shape[1]),
        "meta_iterations": judged.meta_iterations,
        "of": experiment.meta_iterations,
        "seeds": len(judged.scores),
        "diverged": judged.diverged,
        "seconds": round(judged.seconds * judged.meta_iterations, 1),
        "device": device,
        "torch": torch.__version__,
    }


def _model(model: Mapping[str, Any]) -> str:
    if model["kind"] == "mlp":
        return "MLP " + "-".join(map(str, model["widths"]))
    return f"conv4 of {model.get('filters', 64)} filters"


def _tasks(recipe: Recipe, count: int) -> str:
    bank, tasks = recipe.bank, recipe.tasks
    shots = f"{bank.k_shot} shot{'s'[: bank.k_shot > 1]}"
    if tasks["kind"] == "sinusoid":
        return f"{count} sinusoids, {shots}"
    norm = "transductive" if bank.transductive else "inductive"
    return f"{count} tasks of Omniglot, {tasks['n_way']} ways, {shots}, {norm}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _options(arguments)
    if options.device == "cpu":
        torch.set_num_threads(1)
    machine = Machine(options.device, options.seeds)
    for name in options.only or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        recipe = experiment.recipe(name, small=not options.whole)
        *_, end = trained(shortened(recipe, options.meta_iterations), machine)
        measured = row(recipe, experiment, end, options.device)
        print(f"{name}: {measured['said']} ({measured['seconds']} s of a seed)", flush=True)
        if options.results is not None:
            _add(options.results / "presets.json", name, measured)
    return 0


def _add(path: Path, name: str, measured: Row) -> None:
    """Put a row into the file, in the order of the presets."""
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows[name] = measured
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = {known: rows[known] for known in PRESETS if known in rows}
    write_output(path, json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="PRESET")
    parser.add_argument("--whole", action="store_true", help="at the published size")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--meta-iterations", type=int, help="at most so many: to try the code, not to measure"
    )
    parser.add_argument("--results", type=Path, metavar="DIR", help="where presets.json is")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
