"""Randomness as pure functions of integer keys, on whatever device the keys are.

A key is a 64-bit integer; a tensor of keys (any shape B) yields independent streams for all of
them in a few elementwise operations, with no generator state, no host synchronisation and the
same bits on every device.  So a task is a function of (data set, split, seed, index) and a
trial's draws are functions of (study seed, trial seed, meta-iteration), wherever they run.

The mixer is the finaliser of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable
pseudorandom number generators"; constants of Stafford's variant 13), applied to key + counter.
"""

import math

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_LARGEST = 0x7FFFFFFFFFFFFFFF


def fold_in(keys: Tensor, data: Tensor | int) -> Tensor:
    """Return new keys, one for each broadcast pair of `keys` and `data` (both int64)."""
    salt = data * _GOLDEN + _MIX_1
    if isinstance(salt, int):  # wrap to a signed 64-bit number, as tensors do by themselves
        salt = (salt + 2**63) % 2**64 - 2**63
    return _mix(_mix(keys + _GOLDEN) ^ salt)


def bits(keys: Tensor, count: int) -> Tensor:
    """Return `count` non-negative 63-bit integers for each key: (*B,) -> (*B, count)."""
    counters = torch.arange(1, count + 1, device=keys.device) * _GOLDEN
    return _mix(keys[..., None] + counters) & _LARGEST


def uniform(keys: Tensor, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return numbers in [0, 1): (*B,) -> (*B, count); drawn in float64, then rounded to `dtype`.

    Rounding to float32 may give exactly 1.0 once in 2**25 draws.
    """
    return ((bits(keys, count) >> 10).to(torch.float64) * 2.0**-53).to(dtype)


def normal(keys: Tensor, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers by Box-Muller: (*B,) -> (*B, count)."""
    half = (count + 1) // 2
    u = uniform(keys, 2 * half)
    radius = torch.sqrt(-2.0 * torch.log1p(-u[..., :half]))
    angle = 2.0 * math.pi * u[..., half:]
    both = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1)
    return both[..., :count].to(dtype)


def integers(keys: Tensor, count: int, high: int) -> Tensor:
    """Return integers in [0, high): (*B,) -> (*B, count).  The bias is under high / 2**63."""
    return bits(keys, count) % high


def permutation(keys: Tensor, count: int, sizes: Tensor | None = None) -> Tensor:
    """A random order of 0..count-1 for each key: (*B,) -> (*B, count).

    Args:
        sizes: int64 (*B,); of each key the integers from its size on come last.
    """
    draws = bits(keys, count)
    if sizes is not None:
        beyond = torch.arange(count, device=keys.device) >= sizes[..., None]
        draws = draws.masked_fill(beyond, _LARGEST)
    return draws.argsort(dim=-1)


def choose(keys: Tensor, population: int | Tensor, count: int) -> Tensor:
    """Return `count` distinct integers of [0, population), in random order: (*B,) -> (*B, count).

    The i-th draw is uniform over what is left: r in [0, population - i) is moved past the
    s_0 < s_1 < ... chosen so far, by as many as satisfy s_j - j <= r.  Cost grows with `count`,
    not with `population`.

    Args:
        population: A number, or int64 (*B,), one for each key: these the caller has to have
            checked, since looking at them would make the device wait.
    """
    if isinstance(population, int) and not 0 <= count <= population:
        raise ValueError(f"count must be in [0, population={population}], got {count}")
    if isinstance(population, Tensor):
        population = population[..., None]
    left = population - torch.arange(count, device=keys.device)
    draws = bits(keys, count) % left
    if count == 0:
        return draws
    taken = draws[..., :1]
    chosen = [taken[..., 0]]
    for i in range(1, count):
        r = draws[..., i]
        ranks = taken - torch.arange(i, device=keys.device)
        r = r + (ranks <= r[..., None]).sum(-1)
        chosen.append(r)
        taken = torch.cat([taken, r[..., None]], dim=-1).sort(dim=-1).values
    return torch.stack(chosen, dim=-1)


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _MIX_1
    z = (z ^ _shift(z, 27)) * _MIX_2
    return z ^ _shift(z, 31)


def _shift(z: Tensor, by: int) -> Tensor:
    # torch shifts int64 arithmetically; the mixer needs zeros from the left.
    return (z >> by) & ((1 << (64 - by)) - 1)
