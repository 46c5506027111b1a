"""The notebook example of the README runs and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from metaopt import MetaoptError, train

README = Path(__file__).parents[2] / "README.md"
LIBRARY = README.parent / "docs" / "library.md"
OWN_MODEL = LIBRARY.with_name("own-model.md")


def test_the_notebook_example_prints_two_adaptation_curves() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith("from")]) <= 10
    shorter = code.replace("meta_iterations=2000", "meta_iterations=200")
    assert shorter != code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(shorter, {})
    curves = [
        [float(n) for n in re.findall(r"[\d.]+", line)] for line in printed.getvalue().splitlines()
    ]
    assert [len(curve) for curve in curves] == [6, 6]
    slow, fast = curves
    assert fast[5] < slow[5] < slow[0]


def test_the_example_of_the_library_page_prints_two_curves() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", LIBRARY.read_text("utf-8"), re.DOTALL)
    shorter = code.replace("in (0.01, 0.1)])", "in (0.01, 0.1)], meta_iterations=2)")
    assert shorter != code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(shorter, {})
    assert [line.count(",") for line in printed.getvalue().splitlines()] == [5, 5]


def test_the_example_of_a_model_of_ones_own_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", OWN_MODEL.read_text("utf-8"), re.DOTALL)
    shorter = code.replace("in (0.01, 0.1)])", "in (0.01, 0.1)], meta_iterations=2)")
    assert shorter != code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(shorter, {})
    assert [line.count(",") for line in printed.getvalue().splitlines()] == [5, 5]


def test_the_page_says_what_wrong_calls_say() -> None:
    shown = re.findall(r">>> (train\(.*)\n(\w+): (.*)", LIBRARY.read_text("utf-8"))
    assert len(shown) == 2
    for call, error, message in shown:
        with pytest.raises(MetaoptError) as refused:
            eval(call, {"train": train})
        assert (type(refused.value).__name__, str(refused.value)) == (error, message)
