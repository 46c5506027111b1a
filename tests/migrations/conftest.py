"""A database without any table."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.db.engine import open_engine


@pytest.fixture
def bare(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    if database_url.startswith("sqlite"):
        (tmp_path / "database").mkdir(exist_ok=True)
        (tmp_path / "database" / "metaopt.db").touch()  # an engine makes none
    engine = open_engine(database_url)
    yield engine
    engine.dispose()
