"""Tests of `metaopt.plugins.allowed`."""

import pytest

from metaopt.errors import InvalidPlugin
from metaopt.plugins.allowed import Allowed, parse_allowed


def test_names_are_compared_as_indexes_do() -> None:
    assert parse_allowed(" My_Net==1.0,\nother.one==2.0+cpu ") == (
        Allowed("my-net", "1.0"),
        Allowed("other-one", "2.0+cpu"),
    )
    assert parse_allowed("") == ()


@pytest.mark.parametrize("text", ["one", "one>=1", "one==", "==1", "../one==1", "one==1;two"])
def test_what_is_no_package_in_one_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlugin, match="package==version"):
        parse_allowed(text)


def test_two_versions_of_a_package_are_refused() -> None:
    with pytest.raises(InvalidPlugin, match="my-net is allowed twice"):
        parse_allowed("my-net==1.0, my_net==1.1")
