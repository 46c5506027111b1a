"""The figures as text."""

from benchmarks.end_to_end.search import Json

QUIET = 0.1  # the largest share of the cores that others may use before the table warns


def table(results: Json) -> str:
    """Return the figures as text."""
    told = results["about"]
    lines = [
        "End to end: TPE searches inner_lr and outer_lr, nothing is pruned; second-order MAML on",
        "sinusoids (25 tasks of 10 + 10 points, MLP 1-40-40-1); one thread a process, no GPU",
        f"{told['machine']}; python {told['python']}",
        _versions(results),
        "metaopt: from POST /studies until its verdict was read, on a server with its defaults;",
        "  finalists are trained afresh and scored on sealed tasks besides.  Nothing is compiled",
        "  before; warm is the same study once more, on a new server with the first one's data",
        "optuna + higher: study.optimize in each process, imports and warm-up not counted; its",
        "  score is the best of the search on the tasks it searched by: it has no verdict",
        "compiled: share of the meta-iterations that compiled programs did; busy: share of the",
        "  slots' time in segments, from the start; others: share of the cores that others used",
    ]
    for name, figures in results.items():
        if name != "about":
            lines += ["", *_rows(name, figures)]
    return "\n".join(lines) + "\n"


def _rows(name: str, figures: Json) -> list[str]:
    steps = name.removeprefix("inner_steps_")
    title = f"{figures['trials']} trials × {figures['meta_iterations']:,} meta-iterations"
    rows = [
        f"{title}, inner steps: {steps}; {figures['processes']} processes",
        f"  {'':18}{'seconds':>10}{'peer/this':>11}{'compiled':>10}{'busy':>7}{'others':>8}"
        "  score (mse)",
    ]
    for key, ratio in (("ours", "ratio"), ("ours_warm", "ratio_warm")):
        if key in figures:
            rows += _our_rows(label(key), figures[key], figures[ratio])
    one = figures["peer"]
    rows.append(
        f"  {'optuna + higher':18}{one['seconds']:10.1f}{'*' if one['scaled'] else ' '}{'':10}"
        f"{'':17}{_percent(one['others_share']):>8}  validation {one['best_validation_score']:.3f}"
        f" after {one['measured_meta_iterations']:,} meta-iterations"
    )
    rows.append(
        f"    a trial: {one['fixed_seconds_per_trial']:.2f} s + meta-iterations × "
        f"{one['ms_per_meta_iteration']:.2f} ms"
    )
    if one["scaled"]:
        rows += [
            f"  * SCALED, not measured whole: {one['measured_trials']} trials × "
            f"{one['measured_meta_iterations']} meta-iterations took "
            f"{one['measured_seconds']:.1f} s, and their training",
            "    loops are counted for as many as ours has (--full-peer measures all of it)",
        ]
    parts = [figures[key] for key in ("ours", "ours_warm", "peer") if key in figures]
    if max(part["others_share"] or 0.0 for part in parts) > QUIET:
        rows.append(f"  NOISY: others used more than {QUIET:.0%} of the cores; measure again")
    return rows


def _our_rows(label: str, one: Json, ratio: float) -> list[str]:
    low, high = one["best_sealed_interval"]
    counts = ", ".join(f"{n} {status}" for status, n in one["search_trials"].items())
    return [
        f"  {label:18}{one['seconds']:10.1f}{ratio:10.1f}×{_percent(one['compiled_share']):>10}"
        f"{_percent(one['busy_share']):>7}"
        f"{_percent(one['others_share']):>8}  sealed {one['best_sealed_score']:.3f} "
        f"({low:.3f} to {high:.3f}), validation {one['best_search_score']:.3f}",
        f"    search trials: {counts}; besides, {one['verdict_lanes']} trainings for the verdict",
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _versions(results: Json) -> str:
    peers = next(part["peer"]["versions"] for name, part in results.items() if name != "about")
    both = {**results["about"]["versions"], **{f"{n} (peer)": v for n, v in peers.items()}}
    return ", ".join(f"{name} {version}" for name, version in both.items())


def label(name: str) -> str:
    """Return how a run is called."""
    return {"ours": "metaopt", "ours_warm": "metaopt, warm"}[name]
