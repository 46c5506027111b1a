"""Hold the algorithms to what was published: a figure that misses its tolerance fails the run.

    python -m benchmarks.anchors [--only NAME …] [--device cuda] [--results benchmarks/results]

    meta_sgd   beats MAML on sinusoids at equal meta-iterations
    anil       is as good as MAML on Omniglot, and cheaper
    protonet   reaches on a CPU what was published for so many episodes
    tables     the papers' tables by the presets' whole recipes; on a CPU only where it is named

Trainings of several seeds are lanes of one program; intervals are of tasks and of seeds, 95 %.  The
exit code is 1 if a figure misses its tolerance.  `--results` gets `anchors_NAME.txt` and
`anchors_NAME.json` of each anchor (on a GPU `anchors_NAME-cuda`).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.anchors import anil, meta_sgd, protonet, tables
from benchmarks.anchors.figure import Anchor, Asked, Figure, text
from benchmarks.recipe import Machine
from benchmarks.suite.machine import processor
from service.output_file import write_output

ANCHORS = {one.ANCHOR.name: one.ANCHOR for one in (meta_sgd, anil, protonet, tables)}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    options = _options(arguments)
    names = options.only or [n for n, one in ANCHORS.items() if options.device in one.devices]
    if options.device == "cpu":
        torch.set_num_threads(1)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            anchor = ANCHORS[name]
            seeds = options.seeds or anchor.seeds
            compiled = anchor.compiled and not options.eager
            machine = Machine(options.device, seeds, Path(folder) if compiled else None)
            about = _about(machine)
            print(f"{about}\n\n{name}: {anchor.title}", flush=True)
            figures = _measured(anchor, Asked(machine, options.meta_iterations))
            missed += sum(one.holds is False for one in figures)
            if options.results is not None:
                _write(options.results, anchor, figures, about, options)
    return int(missed > 0)


def _measured(anchor: Anchor, asked: Asked) -> list[Figure]:
    figures = []
    for figure in anchor.measure(asked):
        print(text(figure), flush=True)
        figures.append(figure)
    return figures


def _write(
    into: Path, anchor: Anchor, figures: list[Figure], about: str, options: argparse.Namespace
) -> None:
    """Write an anchor's table and figures: each has files of its own, so each can be run alone."""
    suffix = "" if options.device == "cpu" else f"-{options.device}"
    lines = [about, "", f"{anchor.name}: {anchor.title}", *map(text, figures)]
    into.mkdir(parents=True, exist_ok=True)
    write_output(into / f"anchors_{anchor.name}{suffix}.txt", "\n".join(lines) + "\n")
    document = {
        "about": about,
        "title": anchor.title,
        "meta_iterations": options.meta_iterations,
        "figures": [figure._asdict() for figure in figures],
    }
    written = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_output(into / f"anchors_{anchor.name}{suffix}.json", written)


def _about(machine: Machine) -> str:
    on_cpu = machine.device == "cpu"
    where = f"{processor()}, 1 thread" if on_cpu else torch.cuda.get_device_name()
    how = "eager" if machine.programs is None else "compiled"
    return (
        f"torch {torch.__version__}, {how}; {where}; {machine.seeds} seeds of each; "
        "[ ]: 95 % interval over tasks and seeds"
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=ANCHORS, metavar="NAME")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seeds", type=int, help="in place of each anchor's own number")
    parser.add_argument(
        "--meta-iterations", type=int, help="at most so many: to try the code, not to measure"
    )
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where to write the files")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
