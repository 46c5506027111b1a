"""Which interval covers?  Methods side by side on families of noise; what ADR 0015 follows from.

    python -m benchmarks.interval_methods [--samples 2000] [--results benchmarks/results]

Tasks alone: one training on 400 tasks, by six methods.  Trainings: three equal configurations, by
four ways to say how noisy trainings are; tasks and trainings are combined as in the product.
Then the statistics that a study may judge by: each covers its own truth, of one training's scores
and of the difference of two that are alike.  Nothing here is used by the product but `ours`;
coverage in per cent of a nominal 95.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.special import chdtri, stdtrit

from benchmarks.noise_families import (
    Luck,
    bad_tasks,
    exponential,
    log_normal,
    normal,
    sometimes_bad,
    steady,
    unequal,
)
from metaopt.estimation.intervals import Error
from metaopt.estimation.limits import error_of_mean, interval_of
from metaopt.estimation.statistics import difference, limits_of, locate, summarize
from metaopt.goals import Statistic
from service.output_file import write_output

RESULTS = Path(__file__).parent / "results"
TASKS = 400
Limits = tuple[float, float]
TASK_FAMILIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal": normal,
    "LN(1)": log_normal(1.0),
    "LN(1.5)": log_normal(1.5),
    "LN(2)": log_normal(2.0),
    "1 % of tasks x 50": bad_tasks(0.01, 50.0),
    ".3 % of tasks x 50": bad_tasks(0.003, 50.0),
}
SEED_FAMILIES: dict[str, Callable[[Luck, int, int], np.ndarray]] = {
    "equal": steady(0.05),
    ".02/.02/.3": unequal,
    "exponential": exponential,
    "1 in 10 twice as bad": sometimes_bad,
}


def student(sample: np.ndarray, luck: Luck) -> Limits:
    """Student's interval."""
    error = error_of_mean(sample)
    return _limits(sample, error._replace(skewness=0.0, degrees=sample.size - 1))


def student_by_kurtosis(sample: np.ndarray, luck: Luck) -> Limits:
    """Student's interval with degrees of freedom by the kurtosis."""
    return _limits(sample, error_of_mean(sample)._replace(skewness=0.0))


def hall(sample: np.ndarray, luck: Luck) -> Limits:
    """Hall's transformation with n − 1 degrees of freedom."""
    return _limits(sample, error_of_mean(sample)._replace(degrees=sample.size - 1))


def ours(sample: np.ndarray, luck: Luck) -> Limits:
    """Hall's transformation with degrees of freedom by the kurtosis."""
    return _limits(sample, error_of_mean(sample))


def bootstrap_t(sample: np.ndarray, luck: Luck, resamples: int = 1000) -> Limits:
    """Efron and Tibshirani's bootstrap-t."""
    n, mean, stderr = sample.size, sample.mean(), sample.std(ddof=1) / math.sqrt(sample.size)
    drawn = sample[luck.integers(n, size=(resamples, n))]
    t = (drawn.mean(1) - mean) / (drawn.std(1, ddof=1) / math.sqrt(n))
    low, high = np.quantile(t, [0.025, 0.975])
    return float(mean - high * stderr), float(mean - low * stderr)


def logarithm(sample: np.ndarray, luck: Luck) -> Limits:
    """Cox's interval for the mean of log-normal losses; without positive ones there is none."""
    if sample.min() <= 0:
        return math.nan, math.nan
    logs, n = np.log(sample), sample.size
    variance = logs.var(ddof=1)
    half = stdtrit(n - 1, 0.975) * math.sqrt(variance / n + variance**2 / (2 * (n - 1)))
    middle = logs.mean() + variance / 2
    return math.exp(middle - half), math.exp(middle + half)


METHODS: dict[str, Callable[[np.ndarray, Luck], Limits]] = {
    "Student": student,
    "Student, kurtosis": student_by_kurtosis,
    "bootstrap-t": bootstrap_t,
    "logarithms": logarithm,
    "Hall": hall,
    "ours": ours,
}


def task_coverage(samples: int) -> dict[str, dict[str, float]]:
    """How often each method covers the mean, and the trimmed mean its own truth, by family."""
    results = {}
    for name, family in TASK_FAMILIES.items():
        luck = np.random.default_rng(len(name))
        trimmed = _trimmed_truth(family)
        covered: dict[str, list[bool]] = {method: [] for method in [*METHODS, "trimmed mean"]}
        for _ in range(samples):
            sample = family(luck.normal(size=TASKS))
            for method, limits in METHODS.items():
                low, high = limits(sample, luck)
                covered[method].append(low <= 1.0 <= high)
            summary = summarize(sample.tolist(), "trimmed_mean")
            covered["trimmed mean"].append(summary.low <= trimmed <= summary.high)
        results[name] = {method: statistics.fmean(hits) for method, hits in covered.items()}
    return results


SCORES: dict[str, Callable[[Luck, int], np.ndarray]] = {
    "LN(1)": lambda luck, tasks: luck.lognormal(size=tasks),
    "LN(1.5)": lambda luck, tasks: luck.lognormal(0.0, 1.5, size=tasks),
    "right of 75 queries": lambda luck, tasks: luck.binomial(75, 0.9, size=tasks) / 75,
    "right of 25 queries": lambda luck, tasks: luck.binomial(25, 0.9, size=tasks) / 25,
    "right of 5 queries": lambda luck, tasks: luck.binomial(5, 0.8, size=tasks) / 5,
}
STATISTICS: tuple[Statistic, ...] = ("mean", "trimmed_mean", "median")


def statistic_coverage(samples: int) -> dict[str, dict[str, tuple[float, float]]]:
    """How often each statistic's interval covers, of scores and of differences, by family."""
    results = {}
    for name, draw in SCORES.items():
        luck = np.random.default_rng(len(name))
        many = draw(luck, 2_000_000)
        truths = {statistic: locate(many, statistic).value for statistic in STATISTICS}
        hits: dict[str, list[tuple[bool, bool]]] = {statistic: [] for statistic in STATISTICS}
        for _ in range(samples):
            first, second = draw(luck, TASKS), draw(luck, TASKS)
            for statistic in STATISTICS:
                own = limits_of(locate(first, statistic))
                gap = difference(first.tolist(), second.tolist(), statistic)
                truth = truths[statistic]
                covered = own.low - 1e-9 <= truth <= own.high + 1e-9
                hits[statistic].append((covered, gap.low <= 0.0 <= gap.high))
        results[name] = {
            statistic: (statistics.fmean(a for a, _ in each), statistics.fmean(b for _, b in each))
            for statistic, each in hits.items()
        }
    return results


NOISES = ("pooled", "own", "pooled or own", "ours")


def seed_coverage(samples: int, seeds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Coverage of all three, and the median half width of the first, by family and noise."""
    results = {}
    for name, family in SEED_FAMILIES.items():
        luck = np.random.default_rng([seeds, len(name)])
        covered: dict[str, list[float]] = {noise: [] for noise in NOISES}
        widths: dict[str, list[float]] = {noise: [] for noise in NOISES}
        for _ in range(samples):
            tasks = normal(luck.normal(size=TASKS))
            means = tasks.mean() + family(luck, 3, seeds)
            for noise in NOISES:
                errors = _errors(means.var(axis=1, ddof=1), seeds, noise)
                parts = [[error_of_mean(tasks), error] for error in errors]
                limits = [
                    interval_of(mean, of)
                    for mean, of in zip(means.mean(axis=1), parts, strict=True)
                ]
                covered[noise].append(statistics.fmean(i.low <= 1.0 <= i.high for i in limits))
                widths[noise].append((limits[0].high - limits[0].low) / 2)
        results[name] = {
            noise: (statistics.fmean(covered[noise]), statistics.median(widths[noise]))
            for noise in NOISES
        }
    return results


def _errors(variances: np.ndarray, seeds: int, noise: str) -> list[Error]:
    own, count = seeds - 1, len(variances)
    pooled = float(variances.mean()), count * own
    half = (count + 1) // 2
    usual = float(np.sort(variances)[half - 1]) * own / float(chdtri(own, 0.5)), half * own
    errors = []
    for variance in variances.tolist():
        floor = {"pooled": pooled, "own": (variance, own), "pooled or own": pooled, "ours": usual}
        value, degrees = floor[noise]
        if noise != "pooled" and variance >= value:
            value, degrees = variance, own
        errors.append(Error(math.sqrt(value / seeds), degrees))
    return errors


def _limits(sample: np.ndarray, error: Error) -> Limits:
    interval = interval_of(float(sample.mean()), [error])
    return interval.low, interval.high


def _trimmed_truth(family: Callable[[np.ndarray], np.ndarray]) -> float:
    many = np.sort(family(np.random.default_rng(0).normal(size=2_000_000)))
    cut = many.size // 10
    return float(many[cut:-cut].mean())


def text(
    tasks: dict[str, dict[str, float]],
    seeds: dict[int, dict[str, dict[str, tuple[float, float]]]],
    statistic: dict[str, dict[str, tuple[float, float]]],
    samples: int,
) -> str:
    """The figures as a page."""
    error = 100 * math.sqrt(0.95 * 0.05 / samples)
    lines = [
        f"Tasks alone: coverage of the mean of {TASKS} losses, per cent, nominal 95 ± {error:.1f},",
        f"of {samples} samples; the trimmed mean covers its own truth.",
        "",
        _row("", [*METHODS, "trimmed mean"]),
    ]
    lines += [_row(name, [f"{100 * v:.1f}" for v in by.values()]) for name, by in tasks.items()]
    lines += [
        "",
        "Trainings: coverage of three equal configurations, and median half width of the first.",
        "",
        _row("", NOISES),
    ]
    for count, families in seeds.items():
        for name, by_noise in families.items():
            cells = [f"{100 * share:.1f}  {width:.3f}" for share, width in by_noise.values()]
            lines.append(_row(f"{name}, {count} seeds", cells))
    lines += [
        "",
        f"Statistics: coverage of a score, and of a difference of two alike, {TASKS} tasks.",
        "",
        _row("", STATISTICS),
    ]
    for name, by_statistic in statistic.items():
        cells = [f"{100 * own:.1f}  {100 * gap:.1f}" for own, gap in by_statistic.values()]
        lines.append(_row(name, cells))
    return "\n".join(lines) + "\n"


def _row(title: str, cells: Sequence[str]) -> str:
    return f"{title:30}" + "".join(f"{cell:>19}" for cell in cells)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    seeds = {count: seed_coverage(options.samples, count) for count in (2, 3, 5)}
    by_statistic = statistic_coverage(options.samples)
    page = text(task_coverage(options.samples), seeds, by_statistic, options.samples)
    write_output(options.results / "interval_methods.txt", page)
    print(page, end="")


if __name__ == "__main__":
    main()
