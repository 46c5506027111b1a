"""What is kept has a most of weight, and who was not asked for goes first."""

from service.wire.spec.kept import Kept


def test_what_nobody_asked_for_goes_first() -> None:
    kept: Kept[str, int] = Kept(most=10, longest=6)
    kept.keep("a", 1, 4)
    kept.keep("b", 2, 4)
    assert kept.get("a") == 1
    kept.keep("c", 3, 4)  # in the place of b, since a was asked for
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    kept.keep("d", 4, 7)
    assert kept.get("d") is None


def test_what_is_kept_anew_weighs_once() -> None:
    kept: Kept[str, int] = Kept(most=10, longest=10)
    for value in range(9):
        kept.keep("a", value, 5)
    kept.keep("b", 9, 5)
    assert (kept.get("a"), kept.get("b")) == (8, 9)
    kept.clear()
    assert kept.get("a") is None
    kept.keep("b", 9, 10)  # all there is room for
    assert kept.get("b") == 9
