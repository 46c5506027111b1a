"""From a path to a data set: what is taken for what, and data that change meanwhile."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt.data.packing import Packing, parse_size
from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.fakes.pictures import animals, write_files, write_zip
from tests.properties import examples

TABLE = "class,x\na,1\nb,2\n"


def refused(path: Path, **packing: Any) -> str:
    with pytest.raises(InvalidData) as error:
        read(path, Packing(**packing))
    return str(error.value)


def test_a_path_is_taken_for_what_is_in_it(tmp_path: Path) -> None:
    write_files(tmp_path / "folder", animals())
    write_zip(tmp_path / "zip.bin", animals())
    (tmp_path / "t.tsv").write_text(TABLE.replace(",", "\t"))
    (tmp_path / "unnamed").write_text(TABLE)
    forms = {"folder": "folder", "zip.bin": "zip", "t.tsv": "csv"}
    for name, form in forms.items():
        assert read(tmp_path / name)[0].form == form
    assert "is nothing that is read, which is a folder or zip of images" in refused(
        tmp_path / "unnamed"
    )
    assert read(tmp_path / "unnamed", Packing(kind="table"))[0] == ("table", "csv")
    assert "cannot be read: No such file or directory" in refused(tmp_path / "none")
    assert "kind episodes was asked for, and" in refused(tmp_path / "folder", kind="episodes")
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    assert "must hold support_x, support_y, query_x, query_y" in refused(tmp_path / "a.npz")
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b junk")
    assert "is nothing that is read" in refused(tmp_path / "a.gz")


@pytest.mark.parametrize(
    ("packing", "words"),
    [
        ({"kind": "imgaes"}, "got 'imgaes', did you mean images?"),
        ({"size": (0, 4)}, "a side of size must be in [1, 4096], got 0"),
        ({"size": 28}, "size must be (height, width) in pixels, got 28"),
        ({"target": "wear"}, "target must be a tuple of names of columns, got 'wear'"),
        ({"task": 3}, "task must be text, got 3"),
        ({"kind": []}, "kind must be one of images, table, episodes, text, got []"),
        ({"invert": "yes"}, "invert must be true or false, got 'yes'"),
        ({"channels": 4}, "channels must be 1 or 3, got 4"),
        ({"features": 4}, "features must be in [8, 65536], got 4"),
        ({"header": "maybe"}, "header must be auto, yes or no, got 'maybe'"),
        ({"licence": "my own!"}, "licence must be an SPDX identifier such as CC-BY-4.0 or MIT"),
        ({"target": ("y",), "class_column": "c"}, "target and class exclude each other"),
    ],
)
def test_options_have_rules(packing: Any, words: str) -> None:
    with pytest.raises(InvalidData) as error:
        Packing(**packing)
    assert words in str(error.value)


JUNK = st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=4) | st.floats()
JUNK |= st.lists(st.text(max_size=2), max_size=2).map(tuple) | st.sampled_from([{}, [], object])


@settings(max_examples=examples(100), deadline=None)
@given(name=st.sampled_from([field.name for field in fields(Packing)]), junk=JUNK)
def test_no_junk_comes_to_an_error_of_the_inside(
    tmp_path_factory: pytest.TempPathFactory, name: str, junk: Any
) -> None:
    path = tmp_path_factory.mktemp("junk") / "t.csv"
    path.write_text(TABLE)
    try:
        read(path, Packing(**{name: junk}))
    except InvalidData as error:
        assert str(error).strip()


def test_a_size_is_one_number_or_two() -> None:
    assert (parse_size("28"), parse_size("32x24")) == ((28, 28), (32, 24))
    for wrong in ("", "28x", "-1", "a", "1x2x3", "99999999999"):
        with pytest.raises(InvalidData, match="size must be pixels as 28"):
            parse_size(wrong)


class Meanwhile:
    """Does something when the first image is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: Any) -> None:
        from metaopt.data.files import File

        whole = File.read

        def first(file: File) -> bytes:
            monkeypatch.setattr(File, "read", whole)
            what()
            return whole(file)

        monkeypatch.setattr(File, "read", first)


def test_a_file_that_changes_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_files(tmp_path, animals())
    dog = root / "dog" / "1.png"

    def touched() -> None:
        os.utime(dog, ns=(1, 1))

    for what, name in (
        (touched, dog),
        (lambda: dog.write_bytes(b"half"), dog),  # no image any more: that is not what is said
        (lambda: (root / "dog" / "9.png").write_bytes(b"new"), root / "dog" / "9.png"),
        (lambda: dog.unlink(), dog),
    ):
        Meanwhile(monkeypatch, what)
        assert f"{name} changed while it was read: add it again once" in refused(root)


@pytest.mark.parametrize(
    ("module", "extra", "name"), [("PIL", "server", "animals"), ("pyarrow", "parquet", "t.parquet")]
)
def test_what_is_not_installed_is_said_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str, name: str
) -> None:
    write_files(tmp_path / "animals", animals())
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, module, None)
    assert f"which is not here: pip install 'metaopt[{extra}]'" in refused(tmp_path / name)


def test_a_table_is_packed_without_what_others_need(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    program = (
        "import sys\nfrom metaopt.data.reading import read\n"
        "from metaopt.data.store import DataStore\n"
        f"DataStore({str(tmp_path / 'store')!r}).add(read({str(tmp_path / 't.csv')!r})[1], 't')\n"
        "print(*({'torch', 'PIL', 'pyarrow', 'safetensors', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert (tmp_path / "store" / "names" / "t").exists()
