"""Where a test may mount nothing, it runs in a namespace of its own, in which it may."""

import os

import pytest

from tests.fakes.disks import run_where_one_can_be, why_none


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is marked with `disks` where disks can be mounted."""
    if pyfuncitem.get_closest_marker("disks") is None or (why := why_none()) is None:
        return None
    if "METAOPT_TESTS_MOUNT" in os.environ:
        pytest.skip(why)
    plain = ["-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    if (why := run_where_one_can_be([*plain, pyfuncitem.nodeid])) is not None:
        pytest.skip(why)
    return True
