"""A spec that names a data set is stored with its digest, and with what others check it by."""

from pathlib import Path
from typing import Any

import pytest

from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.errors import InvalidData
from service.errors import InvalidSpec
from service.operations.specs.datasets import read_spec
from service.wire.spec.refusals import parse_spec
from tests.fakes.pictures import animals, write_files
from tests.fakes.specs import TINY

NAMES = "ant bee cat dog eel fox gnu hen ibex jay kid"


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with eleven animals of four pictures, and twelve stations of a table."""
    folder = tmp_path_factory.mktemp("sets")
    store = DataStore(folder / "datasets")
    pictures = write_files(folder / "animals", animals(NAMES, each=4))
    store.add(read(pictures)[1], "animals")
    rows = [f"s{i % 12:02},{i},{i * i % 7}" for i in range(96)]
    (folder / "stations.csv").write_text("\n".join(["station,wind,rain", *rows]))
    table = read(folder / "stations.csv", Packing(task="station", target=("rain",)))[1]
    store.add(table, "stations")
    return folder / "datasets"


def spec(name: str, **options: Any) -> dict[str, Any]:
    tasks = {"kind": "dataset", "dataset": name, "k_shot": 1, "q_query": 2, **options}
    return {**TINY, "tasks": tasks}


def test_what_is_stored_names_the_digest_and_needs_no_data_to_be_read(sets: Path) -> None:
    submitted = read_spec(spec("animals", n_way=2, split="random:3"), sets)
    digest = DataStore(sets).get("animals").digest
    tasks = submitted.tasks.chosen()
    assert tasks["dataset"] == f"sha256:{digest}"
    assert tasks["facts"]["groups"] == {"train": 7, "validation": 2, "test": 2}
    assert (submitted.tasks.input_shape, submitted.tasks.outputs) == ((1, 4, 3), 2)
    assert (submitted.metric(), submitted.maximize()) == ("accuracy", True)
    assert parse_spec(submitted.model_dump(mode="json"), stored=True) == submitted
    assert read_spec(submitted.model_dump(mode="json"), sets) == submitted


def test_numbers_to_predict_are_a_regression(sets: Path) -> None:
    submitted = read_spec(spec("stations", metric="mae"), sets)
    tasks = submitted.tasks.chosen()
    assert tasks["split"] == "random:0" and tasks["facts"]["target"] == "number"
    assert (submitted.tasks.input_shape, submitted.tasks.outputs) == ((1,), 1)
    assert (submitted.tasks.classes, submitted.metric(), submitted.maximize()) == (1, "mae", False)
    assert read_spec(spec("stations"), sets).metric() == "mse"


def test_tasks_with_classes_of_their_own_are_a_classification(tmp_path: Path) -> None:
    rows = [f"p{i},{'ill' if j % 2 else 'well'},{i + j}" for i in range(5) for j in range(8)]
    (tmp_path / "patients.csv").write_text("\n".join(["patient,state,dose", *rows]))
    packing = Packing(task="patient", class_column="state")
    DataStore(tmp_path).add(read(tmp_path / "patients.csv", packing)[1], "patients")
    submitted = read_spec(spec("patients"), tmp_path)
    assert (submitted.tasks.outputs, submitted.tasks.classes, submitted.metric()) == (
        2, 2, "accuracy",
    )  # fmt: skip
    with pytest.raises(InvalidSpec, match="has 4 examples of 'ill'"):
        read_spec(spec("patients", k_shot=4), tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "field", "rule"),
    [
        ("birds", {}, "tasks.dataset", "there are animals, stations"),
        ("sha256:" + "0" * 64, {}, "tasks.dataset", "there is no data set 'sha256:0000"),
        (7, {}, "tasks.dataset", "must be the name of a data set, or sha256: and its digest"),
        ("../animals", {}, "tasks.dataset", "../animals"),
        ("animals", {"split": "given"}, "tasks.split", "take split random:0"),
        ("animals", {"split": "random:x"}, "tasks.split", "random: and a number"),
        ("animals", {"n_way": 3}, "tasks", "at most the 2 classes of split validation, got 3"),
        ("animals", {"n_way": 2, "q_query": 4}, "tasks.k_shot", "has 4 examples"),
        ("animals", {"n_way": 2, "metric": "mse"}, "tasks", "must be one of accuracy, cross"),
        ("stations", {"k_shot": 7, "q_query": 2}, "tasks.k_shot", "has 8 examples"),
        ("animals", {"n_way": 2, "datset": 3}, "tasks.datset", "did you mean dataset?"),
        ("stations", {"flips": 3}, "tasks.flips", "true or false"),
    ],
)
def test_what_data_have_not_is_refused_with_its_field(
    sets: Path, name: Any, options: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        read_spec(spec(name, **options), sets)
    (error,) = refused.value.errors
    assert error.field == field and rule in error.message, error


def test_where_no_data_set_is_known_the_way_out_is_said(sets: Path) -> None:
    for directory, rule in ((None, "has not been looked up"), (sets.parent, "there is no data")):
        with pytest.raises(InvalidSpec, match=rule):
            read_spec(spec("animals"), directory)


def test_facts_that_somebody_made_up_are_those_of_the_data(sets: Path) -> None:
    made_up = {"target": "number", "input_shape": [9], "outputs": 3, "groups": {"train": 1}}
    submitted = read_spec(spec("animals", n_way=2, facts=made_up), sets)
    assert submitted.tasks.chosen()["facts"]["input_shape"] == [1, 4, 3]
    with pytest.raises(InvalidSpec, match="be what a stored spec says of its data set"):
        parse_spec(spec("animals", facts={"target": "fish"}))


def test_a_data_set_that_is_damaged_is_said_so(sets: Path, tmp_path: Path) -> None:
    store = DataStore(tmp_path)
    digest = store.add(DataStore(sets).load("animals"), "animals")
    (tmp_path / f"{digest}.json").write_text("{}")
    with pytest.raises((InvalidSpec, InvalidData), match="damaged|data set"):
        read_spec(spec("animals", n_way=2), tmp_path)
