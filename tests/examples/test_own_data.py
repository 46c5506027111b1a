"""Each study on data of one's own, as its first lines say, at a tiny budget."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from metaopt.data.raw.pictures import read_pictures
from metaopt.data.reading import read
from metaopt.tasks.dataset.splits import split_members
from metaopt.tasks.dataset.tasks import DatasetTasks

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "own-data"
SPECS = sorted(FOLDER.glob("*.yaml"))
TINY = (
    "budget.trials=1", "budget.meta_iterations=2", "evaluation.tasks=4", "verdict.finalists=1",
    "verdict.seeds=1", "verdict.tasks=6", "verdict.compare=none",
    "branches.maml.space.meta_batch=2",
)  # fmt: skip

BY_DAY = "letters", "gapminder"  # classes and numbers; the others go the same ways
BY_NIGHT = [
    spec if spec.stem in BY_DAY else pytest.param(spec, marks=pytest.mark.night) for spec in SPECS
]


def commands_of(spec: Path) -> list[list[str]]:
    """The commands in the spec's first lines, without `metaopt`."""
    lines = [line[1:].strip() for line in spec.read_text(encoding="utf-8").splitlines()[1:3]]
    assert all(line.startswith("metaopt ") for line in lines), "it says how it is run"
    return [shlex.split(line)[1:] for line in lines]


def metaopt(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    own = {"METAOPT_DATA_DIRECTORY": str(data), "METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never"}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        env={**inherited, **own, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("spec", BY_NIGHT, ids=lambda spec: spec.stem)
def test_the_commands_of_its_first_lines_end_in_a_verdict(spec: Path, tmp_path: Path) -> None:
    add, run = commands_of(spec)
    added = metaopt(tmp_path / "data", *add)
    assert added.returncode == 0, added.stderr
    sets = [word for change in TINY for word in ("--set", change)]
    told = tmp_path / "told.json"
    done = metaopt(tmp_path / "data", *run, *sets, "--json", str(told))
    assert done.returncode == 0, done.stderr
    result = json.loads(told.read_text())["result"]
    assert [len(one["scores"]) for one in result["trivial"]["predictors"]] in ([6] * 2, [6] * 3)
    assert "beside trivial predictors: " in done.stdout


@pytest.mark.parametrize("path", [*SPECS, *SPECS[0].parent.glob("*.csv")], ids=lambda p: p.name)
def test_an_extract_is_small_and_its_source_is_named(path: Path) -> None:
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    assert path.name in readme
    assert path.stat().st_size <= 300_000


def test_digits_to_predict_are_of_classes_and_pictures_that_nobody_trained_on() -> None:
    packed = read(FOLDER / "mnist")[1]
    assert [group.examples for group in packed.manifest.groups] == [40] * 10
    test = split_members(packed.manifest, "random:0")["test"]
    assert [packed.manifest.groups[place].name for place in test] == ["0", "7"]
    preparation = DatasetTasks.of(packed, n_way=2).preparation
    support, query = (
        read_pictures(FOLDER / f"mnist-{part}.zip", preparation) for part in ("support", "query")
    )
    assert support.labels == ["0", "7"] and query.labels == ["0"] * 12 + ["7"] * 12
    known = {image.tobytes() for image in packed.arrays["x"]}
    asked = {image.tobytes() for image in query.x} | {image.tobytes() for image in support.x}
    assert len(asked) == 26 and not asked & known
