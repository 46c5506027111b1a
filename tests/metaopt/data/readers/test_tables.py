"""Tables: rows come out as they went in, and a cell that breaks a rule is named."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from metaopt.data.manifest import Group, Manifest
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.properties import examples

ANIMALS = "class,weight,height\ncat,4.5,0.25\ndog,30,0.5\ncat,5,0.25\n"


def written(tmp_path: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def packed(path: Path, **packing: Any) -> Any:
    return read(path, Packing(**packing))[1]


def refused(path: Path, **packing: Any) -> str:
    with pytest.raises(InvalidData) as error:
        read(path, Packing(**packing))
    return str(error.value)


def test_a_class_is_a_group_and_the_rest_are_features(tmp_path: Path) -> None:
    found = packed(written(tmp_path, ANIMALS), licence="MIT")
    assert found.manifest.groups == (Group("cat", 2), Group("dog", 1))
    assert found.manifest.features == ("weight", "height") and found.manifest.licence == "MIT"
    assert found.arrays["x"].tolist() == [[4.5, 0.25], [5, 0.25], [30, 0.5]]
    assert found.arrays["x"].dtype == np.float32 and "y" not in found.arrays
    assert found.offsets == (0, 2, 3)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + ANIMALS,
        ANIMALS.replace("\n", "\r\n") + "\r\n",
        ANIMALS.replace(",", "\t"),
        ANIMALS.replace(",", ";"),
        ANIMALS.replace(",", ";").replace(".", ","),
        ANIMALS.replace("cat", '"cat"').replace("4.5", '" 4.5"'),
        ANIMALS.encode("utf-16"),
        ANIMALS.rstrip(),
    ],
)
def test_however_a_table_is_written_it_is_the_same_data_set(
    tmp_path: Path, content: str | bytes
) -> None:
    plain = packed(written(tmp_path, ANIMALS)).manifest
    assert packed(written(tmp_path, content, "other.csv")).manifest == plain


def test_parquet_is_as_good_as_csv(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "class": pyarrow.array(["cat", "dog", "cat"]).dictionary_encode(),
            "weight": [4.5, 30.0, 5.0],
            "height": pyarrow.array([0.25, 0.5, 0.25], pyarrow.float32()),
        }
    )
    parquet.write_table(table, tmp_path / "table.parquet")
    found = packed(tmp_path / "table.parquet")
    assert found.manifest == packed(written(tmp_path, ANIMALS)).manifest


def test_quotes_may_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    text = 'class,x\n"a, or ""b""",1\n"two\nlines",2\nc,oops\n'
    assert "column 'x' has 'oops' in line 5 and numbers before" in refused(written(tmp_path, text))
    found = packed(written(tmp_path, text.replace("oops", "3")))
    assert [group.name for group in found.manifest.groups] == ['a, or "b"', "c", "two\nlines"]


def test_a_task_is_a_group_with_numbers_to_predict(tmp_path: Path) -> None:
    text = "task,split,x,target,target2\n10,train,1,2,3\n9,test,4,5,6\n10,train,7,8,9\n"
    path = written(tmp_path, text)
    found = packed(path, target=("target", "target2"))
    assert found.manifest.groups == (Group("10", 2, "train"), Group("9", 1, "test"))
    assert (found.manifest.target, found.manifest.outputs) == ("number", 2)
    assert found.arrays["x"].tolist() == [[1], [7], [4]]
    assert found.arrays["y"].tolist() == [[2, 3], [8, 9], [5, 6]]
    assert packed(path).manifest.features == ("x", "target2")
    assert packed(path).manifest.notices == (
        "1 task has one example only, support and query need one each: '9'",
    )
    assert packed(path, without=("target2",)).manifest.features == ("x",)


def test_tasks_that_tell_the_same_classes_apart_have_them_side_by_side(tmp_path: Path) -> None:
    rows = "patient,ill,x,split\np2,yes,1,test\np1,no,2,train\np1,yes,3,train\np2,no,4,test\n"
    path = written(tmp_path, f"{rows}p1,no,5,train\n")
    found = packed(path, task="patient", class_column="ill")
    manifest = found.manifest
    assert (manifest.target, manifest.outputs, manifest.targets) == ("label", 2, ("no", "yes"))
    assert manifest.groups == (
        Group("p1", 3, "train", counts=(2, 1)),
        Group("p2", 2, "test", counts=(1, 1)),
    )
    assert found.arrays["x"][:, 0].tolist() == [2, 5, 3, 4, 1]
    assert manifest.packing == {"task": "patient", "class": "ill", "split": "split"}
    assert manifest.notices[0] == (
        "2 tasks have fewer than two examples of a class, and support and query need one each: "
        "'p1 (class yes)', 'p2 (class no)'"
    )
    assert Manifest.from_json(manifest.to_json()) == manifest
    one = written(tmp_path, "patient,ill,x\np1,no,1\np2,no,2\n", "one.csv")
    assert "column 'ill' has 'no' alone" in refused(one, task="patient", class_column="ill")
    parted = written(tmp_path, rows.replace("p1,yes,3,train", "p1,yes,3,test"), "parted.csv")
    assert "task 'p1' has rows of more than one split" in (
        refused(parted, task="patient", class_column="ill")
    )


def test_words_become_features_by_their_rule(tmp_path: Path) -> None:
    text = "class,colour,x\na,red,1\nb,blue,2\na,blue,3\n"
    found = packed(written(tmp_path, text))
    assert found.manifest.features == ("colour=blue", "colour=red", "x")
    assert found.arrays["x"].tolist() == [[0, 1, 1], [1, 0, 3], [1, 0, 2]]
    many = "class,word\n" + "".join(f"a,w{i}\nb,w{i}\n" for i in range(33))
    words = refused(written(tmp_path, many))
    assert "column 'word' has more than 32 different words, such as 'w0'" in words


def test_a_table_without_names_numbers_its_columns(tmp_path: Path) -> None:
    text = "T,2,8\nI,5,12\n"
    found = packed(written(tmp_path, text, "letters.data"), class_column="column1")
    assert found.manifest.features == ("column2", "column3")
    assert [group.name for group in found.manifest.groups] == ["I", "T"]
    named = packed(written(tmp_path, "class,0,1\n3,5,6\n4,7,8\n"))
    assert named.manifest.features == ("0", "1")
    both = "a,1\nb,2\nc,3\n"
    path = written(tmp_path, both)
    assert packed(path, class_column="column1").manifest.examples == 3
    assert packed(path, class_column="a", header="yes").manifest.examples == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class,x\na,1\nb,\n", "column 'x' has no value in line 3: fill it, remove the row"),
        ("class,x\na,1\nb,NA\n", "column 'x' has no value in line 3"),
        ("class,x\na,\nb,1\n", "column 'x' has no value in line 2"),
        ("class,x\na,nan\nb,1\n", "column 'x' has no value in line 2"),
        ("class,x\na,1\n,2\n", "column 'class' has no value in line 3"),
        ("class,x\na,1\nb,inf\n", "column 'x' has inf in line 3, numbers must be finite"),
        ("class,x\na,1\nb,1e39\n", "column 'x' has 1e+39 in line 3"),
        ("class,x\na,1\nb,1_000\n", "column 'x' has '1_000' in line 3 and numbers before"),
        ("class,x\na,red\nb,1\n", "column 'x' has '1' in line 3 and words before, such as 'red'"),
        ("class,x\na,1\nb,2,3\n", "line 3 has 3 cells, the first row has 2"),
        ("class;x\na;1,5\nb;2;3\n", "line 3 has 3 cells, the first row has 2"),
        ("class;x\na;1,5\nb;2.5\n", "'2.5' in line 3, and numbers in this file have a decimal com"),
        ("class;x\na;1.5\nb;2,5\n", "'2,5' in line 3, and numbers in this file have a decimal poi"),
        (
            "class;x\na;1.234,5\nb;2\n",
            "'1.234,5' in line 2: write numbers without marks between th",
        ),
        ("class,x,x\na,1,2\nb,2,3\n", "two columns are called 'x': rename one"),
        ("class,\na,1\nb,2\n", "column 2 has no name"),
        ("class,x\n", "the table has no rows"),
        ("", "is empty"),
        ("class\na\n", "has one column"),
        ("class,x\na,1\n", "two classes are the least, these data have the one class 'a'"),
        ("kind,x\na,1\nb,2\n", "it does not follow which column has the classes"),
        ("class,label,x\na,b,1\nb,a,2\n", "it does not follow which column has the classes"),
        ("class,task,target,x\na,b,1,2\n", "say class for classes to tell apart, or task and"),
        ("class,split,x\na,trian,1\nb,test,1\n", "must say train, validation or test, got 'trian'"),
        ("task,split,target,x\na,train,1,1\na,test,2,2\nb,test,1,1\n", "'a' has rows of more than"),
        (
            "task,target,x\na,big,1\nb,small,2\n",
            "column 'target' is to be predicted and has no num",
        ),
        ('class,x\na,"1\nb,2\n', "is no CSV file"),
        ("class,split\na,train\nb,test\n", "no column is left to learn from"),
    ],
)
def test_what_breaks_a_rule_is_named_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(written(tmp_path, text))


def test_columns_that_are_named_must_be_there_and_be_one_thing(tmp_path: Path) -> None:
    path = written(tmp_path, ANIMALS)
    assert "there is no column 'wieght', did you mean weight?; there are 'class'" in refused(
        path, without=("wieght",)
    )
    assert "one column has several roles" in refused(path, task="height", target=("height",))
    assert refused(path, size=(4, 4)) == "size has no meaning for a table: leave it out"


def test_what_is_not_in_utf_8_is_refused(tmp_path: Path) -> None:
    words = refused(written(tmp_path, "class,x\nä,1\nb,2\n".encode("latin-1")))
    assert "is not in UTF-8" in words and "save it as UTF-8" in words


def test_large_whole_numbers_and_equal_rows_are_told(tmp_path: Path) -> None:
    text = "class,x,t\na,1,1700000001\nb,1,1700000001\na,2,0\nb,3,0\n"
    first, second = packed(written(tmp_path, text)).manifest.notices
    assert "column 't' has whole numbers beyond 16,777,216" in first
    assert second == "1 example equals another of another class: row 1 and row 2"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pyarrow.array([1.0, None]), "column 'x' has no value in row 2"),
        (pyarrow.array([1.0, float("nan")]), "column 'x' has no value in row 2"),
        (pyarrow.array([[1], [2]]), "column 'x' is of type list"),
    ],
)
def test_bad_parquet_is_named_too(tmp_path: Path, column: Any, words: str) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"class": ["a", "b"], "x": column}), path)
    assert words in refused(path)
    path.write_bytes(path.read_bytes()[:40])
    assert "cannot be read as Parquet" in refused(path)


def test_a_small_file_cannot_have_too_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pyarrow.table({"class": ["a", "b"] * 1000, "text": ["x", "y"] * 1000})
    parquet.write_table(table, tmp_path / "t.parquet")
    monkeypatch.setattr("metaopt.data.limits.MOST_BYTES", 30_000)
    assert "the arrays would take 31.2 KiB, a data set at most 29.3 KiB" in refused(
        tmp_path / "t.parquet", kind="text"
    )


def test_classes_of_parquet_are_called_as_one_writes_them(tmp_path: Path) -> None:
    table = pyarrow.table({"label": [1.0, 2.0, 10.0], "x": [True, False, True]})
    parquet.write_table(table, tmp_path / "t.parquet")
    found = packed(tmp_path / "t.parquet")
    assert [group.name for group in found.manifest.groups] == ["1", "2", "10"]
    assert found.arrays["x"].tolist() == [[1], [0], [1]]


@settings(max_examples=examples(25), deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", 'c,"d"', "ü\n"]),
            st.floats(-1e6, 1e6, width=32),
            st.integers(-1000, 1000),
        ),
        min_size=2,
        max_size=30,
    ).filter(lambda rows: len({row[0] for row in rows}) > 1),
    separator=st.sampled_from(",;\t"),
)
def test_rows_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], separator: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([("class", "x", "n"), *rows])
    found = packed(path)
    begins = found.offsets
    for place, group in enumerate(found.manifest.groups):
        mine = [[x, n] for name, x, n in rows if name.strip() == group.name]
        assert found.arrays["x"][begins[place] : begins[place + 1]].tolist() == mine
