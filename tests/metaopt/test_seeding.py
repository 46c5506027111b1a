"""Counter-based random numbers."""

import pytest
import torch

from metaopt import seeding
from metaopt.keys import key

KEYS = torch.arange(100_000)


def test_streams_are_functions_of_their_key():
    whole = seeding.bits(KEYS, 3)
    assert torch.equal(seeding.bits(KEYS[77], 3), whole[77])
    assert len(whole.flatten().unique()) == whole.numel()
    assert (whole >= 0).all()


def test_bits_are_those_of_splitmix64():
    """First outputs of SplitMix64 with seed 1234567 (the generator's published test vector)."""
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert seeding.bits(torch.tensor(1234567), 3).tolist() == [n % 2**63 for n in known]


def test_uniform_and_normal_have_the_right_moments():
    u, z = seeding.uniform(KEYS, 4), seeding.normal(seeding.fold_in(KEYS, 2), 5)
    assert 0 <= u.min() and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005 and abs(u.var() - 1 / 12) < 0.002
    assert z.mean().abs() < 0.01 and abs(z.var() - 1) < 0.02
    assert abs((z**4).mean() - 3) < 0.15
    assert torch.corrcoef(z.T).triu(1).abs().max() < 0.015


def test_folding_in_an_int_or_a_tensor_is_the_same():
    assert torch.equal(seeding.fold_in(KEYS, 7), seeding.fold_in(KEYS, torch.tensor(7)))
    assert not torch.isin(seeding.fold_in(KEYS, 7), seeding.fold_in(KEYS, 8)).any()


def test_choose_draws_every_ordered_subset_equally_often():
    drawn = seeding.choose(KEYS, 5, 3)
    assert (drawn.sort(-1).values.diff(dim=-1) > 0).all()
    _, counts = drawn.unique(dim=0, return_counts=True)
    assert len(counts) == 5 * 4 * 3
    expected = len(KEYS) / 60
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 100  # 59 degrees of freedom: 0.1 % above 98


def test_choose_can_take_all_or_none_but_not_more():
    assert (seeding.choose(KEYS[:9], 4, 4).sort(-1).values == torch.arange(4)).all()
    assert seeding.choose(KEYS[:9], 4, 0).shape == (9, 0)
    with pytest.raises(ValueError, match="count must be in"):
        seeding.choose(KEYS[:9], 4, 5)


def test_a_population_for_each_key_gives_what_that_number_gives():
    sizes = 3 + KEYS % 5
    drawn = seeding.choose(KEYS, sizes, 3)
    for size in range(3, 8):
        mine = KEYS[sizes == size]
        assert torch.equal(drawn[sizes == size], seeding.choose(mine, size, 3))


def test_a_permutation_has_what_is_beyond_a_size_last():
    sizes = 1 + KEYS % 5
    order = seeding.permutation(KEYS, 5, sizes)
    assert (order.sort(-1).values == torch.arange(5)).all()
    inside = torch.arange(5) < sizes[:, None]
    assert torch.equal(order < sizes[:, None], inside)
    mine = order[sizes == 4][:, :4]
    _, counts = mine.unique(dim=0, return_counts=True)
    expected = len(mine) / 24
    assert len(counts) == 24 and ((counts - expected) ** 2 / expected).sum() < 50


def test_permutations_are_uniform():
    _, counts = seeding.permutation(KEYS, 4).unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert ((counts - len(KEYS) / 24) ** 2 / (len(KEYS) / 24)).sum() < 50


def test_host_keys_name_their_parts():
    assert key("a", 1) == key("a", 1)
    assert len({key("a", 1), key("a", "1"), key("a1"), key(1, "a"), key("a", 1, "")}) == 5
    assert 0 <= key("study") < 2**63
