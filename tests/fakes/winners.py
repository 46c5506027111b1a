"""Winners on packed data, trained for a moment: what a study on them would leave."""

from pathlib import Path
from typing import Any

from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.tasks.dataset.tasks import DatasetTasks
from metaopt.tasks.make import make_tasks
from tests.fakes.pictures import encoded, grey, write_files

MLP = {"kind": "mlp", "widths": [8]}
PARAMS = {"meta_batch": 2, "inner_lr": 0.1, "inner_steps": 2}
ZOO = "ant bee cat dog emu fox gnu hen ibis"


def write_winner(path: Path, tasks: Any, **spec: Any) -> Path:
    """Write the model file of a short training on tasks."""
    kind = {"kind": "dataset", "k_shot": 1, "q_query": 2, **spec}
    signature = signature_of(
        tasks=kind, model=MLP, algorithm="maml", params=PARAMS, step_cap=2, test_cap=2
    )
    population = Population(signature, tasks=tasks)
    population.admit("t0", PARAMS, seed=3, horizon=5)
    population.advance(5)
    population.write_model("t0", path, transductive=True)
    return path


def winner_of(
    path: Path, data: Path | Packed, packing: Packing | None = None, **options: Any
) -> Path:
    """Write the model file of a short training on data."""
    packed = data if isinstance(data, Packed) else read(data, packing)[1]
    return write_winner(path, DatasetTasks.of(packed, **options))


def omniglot_winner(path: Path) -> Path:
    """Write the model file of a short training on Omniglot, three ways."""
    spec = {"kind": "omniglot", "n_way": 3}
    return write_winner(path, make_tasks(spec), **spec, split="vinyals")


def zoo(root: Path, *, each: int = 4, splits: bool = True, classes: str = ZOO) -> Path:
    """Write a folder of pictures a class; each class has a brightness of its own."""
    files = {}
    for place, name in enumerate(classes.split()):
        split = f"{('train', 'val', 'test')[place % 3]}/" if splits else ""
        for number in range(each):
            image = grey(10 * place + number) // 8 + 25 * place
            files[f"{split}{name}/{number}.png"] = encoded(image.astype("uint8"))
    return write_files(root, files)
