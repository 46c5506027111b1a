"""The page of what is kept names every table and every setting of a rule."""

from pathlib import Path

from service.db.tables import Base
from service.settings import KEEP, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "retention.md").read_text(encoding="utf-8")


def test_every_table_has_a_rule_or_something_that_bounds_it() -> None:
    for table in Base.metadata.tables:
        assert PAGE.count(f"`{table}`") == 1, table


def test_every_rule_names_its_setting() -> None:
    for name in Settings.model_fields:
        if name.startswith(KEEP):
            assert f"`METAOPT_{name.upper()}`" in PAGE
