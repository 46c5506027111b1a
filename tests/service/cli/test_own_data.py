"""`metaopt run` packs what a spec names by a path, and keeps it by its digest."""

from pathlib import Path

import pytest

from metaopt.data.store import DataStore
from service.cli.own_data import with_own_data


def test_a_name_that_means_other_data_is_no_hindrance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, store = tmp_path / "days.csv", DataStore(tmp_path / "datasets")
    spec = {"tasks": {"kind": "dataset", "dataset": str(path)}}
    for rows in ("a,1\nb,2\n", "a,1\nb,3\n"):
        path.write_text(f"class,x\n{rows}")
        named = with_own_data(spec, store.directory)["tasks"]["dataset"]
        assert store.get(named) and named.startswith("sha256:")
    assert [entry.names for entry in store.entries()] == [("days",), ()]
    assert f"packed {path} as data set {named}" in capsys.readouterr().err
    assert with_own_data(spec, store.directory)["tasks"]["dataset"] == named
