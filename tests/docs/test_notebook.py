"""The notebook example of the README runs and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


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
