"""The extracts of `examples/own-data`: row for row, and the same tasks on every machine."""

import csv
from pathlib import Path

import numpy as np
import pytest

from metaopt import BankSpec
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.evaluation.curve import draw
from metaopt.tasks.dataset.tasks import DatasetTasks

EXTRACTS = Path(__file__).parents[3] / "examples" / "own-data"
LETTERS = Packing(class_column="letter")
COUNTRIES = Packing(task="country", target=("lifeExp",))
LANGUAGES = Packing(kind="text", class_column="language")
GOLDEN_LETTERS = [
    [3, 8, 4, 5, 1, 8, 15, 1, 6, 6, 11, 9, 0, 8, 0, 8],
    [3, 5, 3, 3, 2, 8, 7, 5, 10, 6, 6, 7, 2, 8, 7, 8],
    [1, 3, 2, 2, 1, 9, 7, 2, 6, 14, 5, 8, 0, 7, 0, 8],
    [3, 3, 4, 4, 3, 8, 7, 6, 3, 8, 6, 9, 2, 9, 3, 9],
    [7, 11, 10, 8, 6, 6, 11, 3, 6, 13, 6, 3, 0, 10, 3, 8],
]  # fmt: skip
GOLDEN_SUMS = [861.0, 974.0]
GOLDEN_YEARS = [2002.0, 1957.0, 1987.0, 1977.0]
GOLDEN_LIVES = [80.5, 73.47, 77.23, 76.11]


def table(name: str, group: str, packing: Packing) -> tuple[Packed, list[dict[str, str]]]:
    """A packed extract, and its rows in the order of the groups, those of one as they stand."""
    packed = read(EXTRACTS / name, packing)[1]
    order = [each.name for each in packed.manifest.groups]
    with (EXTRACTS / name).open(newline="", encoding="utf-8") as file:
        return packed, sorted(csv.DictReader(file), key=lambda row: order.index(row[group]))


def test_letters_row_for_row_and_split_as_they_say() -> None:
    packed, rows = table("letters.csv", "letter", LETTERS)
    features = [[row[name] for name in row if name not in ("letter", "split")] for row in rows]
    assert np.array_equal(packed.arrays["x"], np.array(features, np.float32))
    splits = {row["letter"]: row["split"] for row in rows}
    assert {group.name: group.split for group in packed.manifest.groups} == splits


def test_countries_row_for_row() -> None:
    packed, rows = table("gapminder.csv", "country", COUNTRIES)
    x = [[row["year"], row["gdpPercap"]] for row in rows]
    assert np.array_equal(packed.arrays["x"], np.array(x, np.float64).astype(np.float32))
    y = np.array([[row["lifeExp"]] for row in rows], np.float64)
    assert packed.arrays["y"] == pytest.approx(y, rel=1e-6)
    assert [g.name for g in packed.manifest.groups] == sorted({row["country"] for row in rows})


def test_languages_text_for_text() -> None:
    packed, rows = table("languages.csv", "language", LANGUAGES)
    assert packed.arrays["x"].shape == (len(rows), 256)
    norms = np.linalg.norm(packed.arrays["x"].astype(np.float64), axis=1)
    assert norms == pytest.approx(np.ones(len(rows)), abs=1e-5)
    same = [i for i, row in enumerate(rows) if row["text"] == rows[7]["text"]]
    assert all(np.array_equal(packed.arrays["x"][i], packed.arrays["x"][7]) for i in same)


@pytest.mark.parametrize(
    ("name", "packing", "digest"),
    [
        ("letters.csv", LETTERS, "5616d0467d7fe883"),
        ("gapminder.csv", COUNTRIES, "cff1f3e4e1f30d33"),
        ("languages.csv", LANGUAGES, "e9ddee15314a1882"),
    ],
)
def test_an_extract_has_one_name_on_every_machine(name: str, packing: Packing, digest: str) -> None:
    assert read(EXTRACTS / name, packing)[1].manifest.digest[:16] == digest


def test_a_task_of_a_data_set_is_the_same_on_every_machine() -> None:
    bank = BankSpec("test", seed=3, tasks=2, k_shot=1, q_query=2, steps=0)
    letters = read(EXTRACTS / "letters.csv", LETTERS)[1]
    support, query = draw(DatasetTasks.of(letters, n_way=5, normalise="none"), bank, "cpu")
    assert support.x[0].int().tolist() == GOLDEN_LETTERS
    assert query.x.sum((1, 2)).tolist() == GOLDEN_SUMS
    countries = read(EXTRACTS / "gapminder.csv", COUNTRIES)[1]
    bank = BankSpec("test", seed=3, tasks=1, k_shot=4, q_query=8, steps=0)
    support, _ = draw(DatasetTasks.of(countries, normalise="none"), bank, "cpu")
    assert support.x[0, :, 0].tolist() == GOLDEN_YEARS
    assert support.y[0, :, 0].tolist() == pytest.approx(GOLDEN_LIVES, rel=1e-6)
