"""Texts: hashed n-grams, the same for the same text, and near for near ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from metaopt.data.ngrams import LENGTHS, normal, vectors
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.properties import examples

ROWS = [("good", "what a lovely film"), ("bad", "what a dreadful, dull film"),
        ("good", "lovely, lovely"), ("bad", "dull")]  # fmt: skip


def written(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text("class,text\n" + "".join(f'{c},"{t}"\n' for c, t in ROWS))
    return path


def fnv_then_murmur(gram: str) -> int:
    """The documented hash, in Python's own whole numbers."""
    value = 0xCBF29CE484222325
    for char in gram:
        value = (value ^ ord(char)) * 0x100000001B3 % 2**64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % 2**64
    return value ^ value >> 33


@settings(max_examples=examples(30), deadline=None)
@given(texts=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5))
def test_vectors_are_the_equation(texts: list[str]) -> None:
    expected = np.zeros((len(texts), 16))
    for row, text in zip(expected, map(normal, texts), strict=True):
        for length in LENGTHS:
            for begin in range(len(text) - length + 1):
                value = fnv_then_murmur(text[begin : begin + length])
                row[value % 16] += -1 if value >> 63 else 1
    norms = np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(vectors(texts, 16), expected / np.where(norms > 0, norms, 1), atol=1e-6)


def test_case_spaces_and_forms_of_letters_do_not_count_and_near_texts_are_near() -> None:
    x = vectors(["Ｃafé  Noir", "café noir", "cafés noirs", "something else"], 256)
    assert np.array_equal(x[0], x[1])
    assert x[1] @ x[2] > 0.5 > 0.3 > abs(x[1] @ x[3])
    assert np.allclose(np.linalg.norm(x, axis=1), 1)


def test_texts_are_packed_with_their_classes(tmp_path: Path) -> None:
    look, packed = read(written(tmp_path), Packing(kind="text"))
    assert (look.kind, look.form) == ("text", "csv")
    assert [(g.name, g.examples) for g in packed.manifest.groups] == [("bad", 2), ("good", 2)]
    assert packed.manifest.input_shape == (256,) and packed.manifest.kind == "text"
    texts = [text for wanted in ("bad", "good") for name, text in ROWS if name == wanted]
    assert np.array_equal(packed.arrays["x"], vectors(texts, 256))
    fewer = read(written(tmp_path), Packing(text="text", features=32))[1]
    assert fewer.manifest.input_shape == (32,)
    table = pyarrow.table({"class": [c for c, _ in ROWS], "text": [t for _, t in ROWS]})
    parquet.write_table(table, tmp_path / "r.parquet")
    again = read(tmp_path / "r.parquet", Packing(kind="text"))[1]
    assert again.manifest == packed.manifest


@pytest.mark.parametrize(
    ("content", "packing", "words"),
    [
        ("class,text\na,x y\nb,\n", {}, "column 'text' has no value in line 3"),
        ("class,note\na,x y\nb,z\n", {}, "which column has the texts: name it (text)"),
        ("class,text\na,x y\nb,z\n", {"text": "class", "class_column": "class"}, "something else"),
        ("class,text\na,x y\nb,z\n", {"without": ("text",)}, "without has no meaning for texts"),
        ("class,text\na,x y\na,z\n", {}, "two classes are the least"),
    ],
)
def test_bad_texts_are_refused(tmp_path: Path, content: str, packing: Any, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(InvalidData) as error:
        read(path, Packing(kind="text", **packing))
    assert words in str(error.value)
