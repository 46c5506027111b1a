"""The benchmark of presets: a row for each, and those of earlier runs are kept."""

import json
from pathlib import Path

from benchmarks import presets
from metaopt.presets import PRESETS

RESULTS = Path(presets.__file__).parent / "results" / "presets.json"


def test_rows_are_added_in_the_order_of_the_presets(tmp_path) -> None:
    for name in ("code:meta_sgd-sinusoid", "paper:maml-sinusoid"):
        options = ["--only", name, "--meta-iterations", "2", "--results", str(tmp_path)]
        assert presets.main(options) == 0
    rows = json.loads((tmp_path / "presets.json").read_text())
    assert list(rows) == ["paper:maml-sinusoid", "code:meta_sgd-sinusoid"]
    row = rows["code:meta_sgd-sinusoid"]
    assert row["low"] <= row["measured"] <= row["high"]
    assert (row["meta_iterations"], row["of"], row["seeds"]) == (2, 60_000, 3)
    assert row["tasks"] == "4 sinusoids, 10 shots" and row["model"] == "MLP 40-40"


def test_what_was_measured_is_of_presets_as_they_are() -> None:
    for name, row in json.loads(RESULTS.read_text()).items():
        assert name in PRESETS
        assert row["low"] <= row["measured"] <= row["high"] and row["diverged"] < row["seeds"]
        assert row["of"] == presets.EXPERIMENTS[name].meta_iterations
