"""Samplers: who suggests the next point.

A sampler object serves one ask and is thrown away: Optuna's samplers carry a random generator
that cannot be put back where it was, so each ask gets a fresh one with a seed of its own, and
a suggestion depends on that seed and on the trials told so far, on nothing else.
"""

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from metaopt.errors import InvalidSearch

SAMPLERS = ("random", "tpe")


def make_sampler(name: str, *, seed: int, startup_trials: int) -> BaseSampler:
    """Return a fresh sampler.

    `tpe` models all parameters of a branch jointly and counts running trials as bad ones
    (constant liar), so that trials asked for together do not crowd at one point.

    Args:
        name: "random" or "tpe".
        seed: 0 <= seed < 2**32.
        startup_trials: `tpe` draws at random until as many trials have ended.

    Raises:
        InvalidSearch: no such sampler.
    Reference:
        Bergstra et al. (2011), "Algorithms for Hyper-Parameter Optimization", section 4 (TPE);
        Watanabe (2023), arXiv:2304.11127 (multivariate).
    """
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "tpe":
        return TPESampler(
            seed=seed, n_startup_trials=startup_trials, multivariate=True, constant_liar=True
        )
    raise InvalidSearch(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
