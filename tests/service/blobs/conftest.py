from collections.abc import Iterator

import pytest

from tests.fakes.objects import ObjectServer


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    one = ObjectServer()
    yield one
    one.close()
