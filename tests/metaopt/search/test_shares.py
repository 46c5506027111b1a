"""Shares: exact sums within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from metaopt.search.shares import share_out

PART = st.tuples(st.floats(0.01, 100), st.integers(0, 20), st.one_of(st.none(), st.integers(0, 40)))


@given(st.integers(0, 100), st.lists(PART, min_size=1, max_size=8))
def test_shares_add_up_within_their_bounds(
    total: int, parts: list[tuple[float, int, int | None]]
) -> None:
    weights, least, most = zip(*parts, strict=True)
    shares = share_out(total, weights, least=least, most=most)
    tops = [total if top is None else max(low, top) for low, top in zip(least, most, strict=True)]
    assert all(share >= low for share, low in zip(shares, least, strict=True))
    if sum(least) <= total:
        assert sum(shares) == min(total, sum(max(*pair) for pair in zip(least, tops, strict=True)))
        assert all(s <= max(low, top) for s, low, top in zip(shares, least, tops, strict=True))
    else:
        assert shares == list(least)


@given(st.integers(0, 100), st.integers(1, 8))
def test_equal_weights_take_turns(total: int, many: int) -> None:
    turns = [len(range(place, total, many)) for place in range(many)]
    assert share_out(total, [1.0] * many, least=[0] * many) == turns


def test_shares_are_proportional() -> None:
    assert share_out(20, [3, 1], least=[0, 0]) == [15, 5]
    assert share_out(10, [0.5, 0.25, 0.25], least=[0, 0, 0]) == [5, 3, 2]
    assert share_out(20, [3, 1], least=[0, 8]) == [12, 8]
