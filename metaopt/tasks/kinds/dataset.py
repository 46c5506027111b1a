"""A user's own data: whatever `metaopt data add` has packed."""

from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.data.facts import BY_DATA, DATASET, Facts, read_facts
from metaopt.errors import InvalidTasks
from metaopt.messages import shown
from metaopt.options import Option, Options
from metaopt.tasks.kind import TaskKind

if TYPE_CHECKING:
    import torch

    from metaopt.tasks.base import Tasks


def _parsed(given: object) -> dict[str, Any] | None:
    return None if given is None else read_facts(given).to_json()


def _facts(options: Options) -> Facts:
    if options.get("facts") is None:
        raise InvalidTasks(
            f"dataset {shown(options.get('dataset'), 80)} has not been looked up: submit the "
            "spec where the data set is (`metaopt data list`), or run it there with `metaopt run`"
        )
    return read_facts(options["facts"])


def _classifies(options: Options) -> bool:
    return _facts(options).target != "number"


def _outputs(options: Options) -> int:
    facts = _facts(options)
    return int(options["n_way"]) if facts.target == "class" else facts.outputs


def _check(options: Options) -> None:
    facts = _facts(options)
    for split in facts.groups:
        classes = _classes(options, split)
        if facts.target == "class" and options["n_way"] > classes:
            raise InvalidTasks(
                f"n_way must be at most the {classes} classes of split {split}, got "
                f"{options['n_way']}"
            )


def _classes(options: Options, split: str) -> int:
    """How many classes a split has, where tasks are drawn from them."""
    return _facts(options).groups[split] * (4 if options["rotations"] == "classes" else 1)


def _most_ways(options: Options) -> int | None:
    return _classes(options, "train") if _facts(options).target == "class" else None


def _different(options: Options, split: str) -> int:
    """Choices of classes, or tasks: which examples of them are drawn is not counted."""
    facts = _facts(options)
    if facts.target != "class":
        return facts.groups[split]
    return comb(_classes(options, split), options["n_way"])


def _make(
    options: Options, device: "str | torch.device", dtype: "torch.dtype", path: Path | None
) -> "Tasks":
    from metaopt.data import shelf
    from metaopt.data.store import DataStore
    from metaopt.tasks.dataset.tasks import DatasetTasks

    reference = options["dataset"]
    packed = shelf.load(reference) if path is None else DataStore(path).load(reference)
    return DatasetTasks.of(
        packed,
        n_way=options["n_way"] if packed.manifest.target == "class" else None,
        split=None if options["split"] == BY_DATA else options["split"],
        normalise=options["normalise"],
        rotations=options["rotations"],
        flips=options["flips"],
        crops=options["crops"],
        k_shot=0,  # who samples may ask for others than these: each is checked then
        q_query=0,
        device=device,
        dtype=dtype,
    )


KIND = TaskKind(
    name=DATASET,
    doc="Tasks on data of your own: n-way classification, or regression with a task a group.",
    options=(
        Option(
            "dataset",
            "text",
            "",
            "Its name, or sha256: and its digest; a stored spec has the digest.",
            pattern=r"^(|[^\s/\\]{1,200})$",
            form="the name of a data set, or sha256: and its digest",
        ),
        Option("n_way", "int", 5, "Classes of a task; of no meaning where tasks are given.",
               minimum=2, maximum=1000),
        Option("k_shot", "int", 1, minimum=1, maximum=10_000),
        Option("q_query", "int", 5, minimum=1, maximum=10_000),
        Option(
            "split",
            "text",
            BY_DATA,
            "Which classes, or tasks, are for what.",
            pattern=r"^(by the data|given|random:\d{1,9})$",
            form="given, random: and a number of up to 9 digits, as random:3, or by the data",
        ),
        Option("normalise", "choice", "train", "By mean and deviation of meta-training, or not.",
               choices=("train", "none")),
        Option("rotations", "choice", "none", choices=("none", "task", "classes")),
        Option("flips", "bool", False, "Mirror images at random in meta-training."),
        Option("crops", "int", 0, "Border in pixels from which images are cut in meta-training.",
               minimum=0, maximum=32),
        Option("facts", "record", None, "What the data set is; filled in when it is looked up.",
               parse=_parsed),
    ),
    metrics=("accuracy", "cross_entropy", "macro_f1", "mse", "mae", "nmse"),
    make=_make,
    input_shape=lambda options: _facts(options).input_shape,
    outputs=_outputs,
    check=_check,
    classifies=_classifies,
    most_ways=_most_ways,
    numbered_classes=True,
    different=_different,
)  # fmt: skip
