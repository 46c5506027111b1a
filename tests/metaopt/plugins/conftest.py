"""A directory of installed packages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.plugins import importable


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """An empty one, on the path of this process while the test runs."""
    directory = tmp_path / "site"
    directory.mkdir()
    with importable(directory):
        yield directory
