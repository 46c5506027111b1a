"""Tables off a terminal are plain lines that other programs can read."""

import json
from pathlib import Path

import pytest

from service.cli import console
from service.cli.exits import Exit, Stop


def test_columns_are_aligned_and_nothing_wraps() -> None:
    lines = console.plain_lines("", ("a", "bb"), [("1", "x" * 300), ("22", "y")])
    assert lines == ["a   bb", "1   " + "x" * 300, "22  y"]


def test_a_table_without_rows_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("Trials", ("a", "b"), [])
    assert capsys.readouterr().out == "Trials\na  b\n"


def test_what_is_hidden_in_a_stored_name_is_shown_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "a\u202eb\x1b[2J :tada: [red]"
    console.data(f"{name}\n\tindented")
    console.table(name, ("name",), [(f"{name}\nforged row",)])
    console.say(name)
    console.data(json.dumps({"name": name}, ensure_ascii=False))
    said = capsys.readouterr()
    shown = "a\\u202eb\\u001b[2J :tada: [red]"
    line, tabbed, title, header, row, document = said.out.splitlines()
    assert (line, tabbed, title, header) == (shown, "\tindented", shown, "name")
    assert (row, said.err) == (f"{shown}\\u000aforged row", f"{shown}\n")
    assert json.loads(document) == {"name": name}


def test_json_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(Stop) as stopped:
        console.write_json(tmp_path / "no" / "such" / "file", {})
    assert stopped.value.code == Exit.USAGE


def test_a_check_leaves_no_file_behind_and_none_changed(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    for name in ("old", "new"):
        console.check_writable(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "kept"


def test_no_nan_is_ever_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        console.write_json(tmp_path / "x.json", {"score": float("nan")})


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", None])
@pytest.mark.parametrize("name", ["plain", "é", "学習率 🚀", "\udcff"])
def test_json_is_json_in_every_encoding(name: str, encoding: str | None) -> None:
    text = console.json_text({"name": name}, encoding)
    assert json.loads(text.encode(encoding or "utf-8").decode(encoding or "utf-8")) == {
        "name": name
    }
    assert (name in text) == (name == "plain" or (encoding in ("utf-8", None) and name != "\udcff")
                              or (name, encoding) == ("é", "latin-1"))  # fmt: skip


def test_columns_line_up_beside_characters_that_are_two_wide() -> None:
    rows = [("夜", "queued"), ("ab", "running")]
    _, wide, narrow = console.plain_lines("", ("name", "status"), rows)
    assert (wide, narrow) == ("夜    queued", "ab    running")
