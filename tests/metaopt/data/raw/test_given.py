import numpy as np
import pytest

from metaopt.data.raw.given import Given, classes_of, numbered
from metaopt.errors import InvalidExamples


def test_classes_are_in_the_order_of_their_numbers() -> None:
    given = Given(np.zeros(3), ["class 10", "class 2", "class 1"])
    assert classes_of(given, 3) == ["class 1", "class 2", "class 10"]


def test_a_class_may_be_called_by_the_end_of_its_name() -> None:
    classes = ["Greek/alpha", "Greek/beta", "Latin/beta"]
    assert numbered(["alpha", "Greek/beta", "alpha"], classes) == [0, 1, 0]
    assert numbered(["beta"], classes) is None, "two end so, and it is the only folder"
    with pytest.raises(InvalidExamples, match="the query set has class 'beta'"):
        numbered(["alpha", "beta"], classes)
    assert numbered(["query"], classes) is None
