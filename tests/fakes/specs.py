"""Study specs for tests: every one that more than a line of a test is about."""

from typing import Any

from service.wire.spec.study import StudySpec

SMALL: dict[str, Any] = {
    "name": "small sinusoid",
    "seed": 3,
    "tasks": {"kind": "sinusoid", "k_shot": 5, "q_query": 5},
    "model": {"kind": "mlp", "widths": [16, 16]},
    "branches": [
        {
            "algorithm": "maml",
            "space": {
                "inner_lr": {"low": 0.003, "high": 0.03, "log": True},
                "outer_lr": {"low": 0.001, "high": 0.003, "log": True},
                "meta_batch": 4,
            },
        },
        {"algorithm": "reptile", "space": {"epsilon": {"low": 0.05, "high": 0.2}}},
    ],
    "search": {"sampler": "random"},
    "pruning": {"kind": "none", "rungs": [60, 120]},
    "budget": {"trials": 6, "meta_iterations": 180},
    "evaluation": {"tasks": 20, "curve_steps": 2},
    "verdict": {"finalists": 2, "seeds": 2, "tasks": 20, "compare": "none"},
}


def small_spec(**changes: Any) -> StudySpec:
    """Return the small study's spec with some fields changed."""
    return StudySpec.model_validate({**SMALL, **changes})


SPEC: dict[str, Any] = {
    "name": "sinusoid",
    "seed": 1,
    "tasks": {"kind": "sinusoid"},
    "model": {"kind": "mlp"},
    "branches": [
        {
            "algorithm": "maml",
            "space": {
                "inner_lr": {"low": 1e-3, "high": 1.0, "log": True},
                "inner_steps": {"low": 1, "high": 5},
                "order": {"choices": ["first", "second"]},
            },
        },
        {"algorithm": "reptile", "space": {"epsilon": "default"}},
    ],
    "pruning": {"rungs": [10, 30]},
    "budget": {"trials": 8, "meta_iterations": 90},
}


PARAMS = {
    "maml": {"inner_lr": 0.01, "inner_steps": 2, "order": "second", "outer_lr": 1e-3},
    "reptile": {"epsilon": 0.5, "inner_steps": 5, "inner_lr": 0.02},
}

# Seconds to train; its gates compare three trainings.
TINY: dict[str, Any] = {
    "name": "tiny sinusoid",
    "tasks": {"kind": "sinusoid", "k_shot": 5, "q_query": 5},
    "model": {"kind": "mlp", "widths": [16]},
    "branches": [
        {
            "algorithm": "maml",
            "space": {"inner_lr": {"low": 0.01, "high": 0.05, "log": True}, "meta_batch": 4},
        }
    ],
    "search": {"sampler": "random"},
    "pruning": {"kind": "none"},
    "budget": {"trials": 2, "meta_iterations": 200},
    "evaluation": {"tasks": 20, "curve_steps": 2},
    "verdict": {"finalists": 1, "seeds": 1, "tasks": 20, "compare": "none"},
    "gates": {"seeds": 3, "tasks": 200, "most_tasks": 400},
}

# What trials of TOGETHER may cost.
BOUND = {"adaptation_examples": 10, "diverged_share": 0.5}

# Everything that can be in one study.
TOGETHER: dict[str, Any] = {
    **SMALL,
    "branches": [
        {
            "algorithm": "maml",
            "space": {
                "inner_lr": {"low": 0.003, "high": 0.03, "log": True},
                "outer_lr": {"low": 0.001, "high": 0.003, "log": True},
                "inner_steps": {"low": 1, "high": 3},
                "meta_batch": 4,
            },
        },
        {
            "algorithm": "reptile",
            "space": {"epsilon": {"low": 0.05, "high": 0.2}, "inner_steps": {"low": 1, "high": 3}},
        },
    ],
    "search": {"sampler": "auto", "startup_trials": 2, "allocation": "bandit"},
    "pruning": {
        "kind": "asha", "reduction": 2, "rungs": [60, 120], "tasks": [6, 12],
        "first_order_until": 60,
    },
    "constraints": BOUND,
    "budget": {"trials": 14, "meta_iterations": 180},
    "evaluation": {"tasks": 20, "curve_steps": 3},
    "verdict": {**SMALL["verdict"], "compare": "default"},
}  # fmt: skip

# Trials of both branches that differ in inner steps, so in cost.
SPREAD: dict[str, Any] = {
    **SMALL,
    "branches": [
        {
            "algorithm": "maml",
            "space": {
                "inner_lr": {"low": 0.003, "high": 0.03, "log": True},
                "outer_lr": {"low": 0.001, "high": 0.003, "log": True},
                "inner_steps": {"low": 1, "high": 4},
                "meta_batch": 4,
                "order": "first",
            },
        },
        {"algorithm": "reptile", "space": {"inner_steps": {"low": 1, "high": 4}}},
    ],
    "search": {"sampler": "tpe", "startup_trials": 3},
    "pruning": {"kind": "none", "rungs": [60]},
    "budget": {"trials": 10, "meta_iterations": 120},
    "evaluation": {"tasks": 20, "curve_steps": 4},
}

# One algorithm in three branches: both orders, and another model.
_RATES = {"inner_lr": {"low": 0.003, "high": 0.03, "log": True}, "meta_batch": 4}
NAMED: dict[str, Any] = {
    **SMALL,
    "name": "orders and widths",
    "branches": [
        {"name": "first", "algorithm": "maml", "space": {**_RATES, "order": "first"}},
        {"name": "second", "algorithm": "maml", "space": {**_RATES, "order": "second"}},
        {
            "name": "wide",
            "algorithm": "maml",
            "model": {"kind": "mlp", "widths": [24]},
            "space": {**_RATES, "order": "first"},
        },
    ],
    "search": {"sampler": "random", "allocation": "even"},
    "budget": {"trials": 9, "meta_iterations": 180},
    "verdict": {"finalists": 3, "seeds": 2, "tasks": 20, "compare": "default"},
}

# Two branches with rungs and finalists, to look at while it runs.
WATCHED: dict[str, Any] = {
    "name": "sinusoid in a browser",
    "tasks": {"kind": "sinusoid"},
    "model": {"kind": "mlp", "widths": [8]},
    "branches": [
        {"algorithm": "maml", "space": {"inner_lr": {"low": 0.005, "high": 0.02, "log": True}}},
        {"algorithm": "reptile", "space": {"epsilon": {"low": 0.1, "high": 0.5}}},
    ],
    "pruning": {"kind": "none", "rungs": [20, 60]},
    "budget": {"trials": 4, "meta_iterations": 120},
    "evaluation": {"tasks": 20, "curve_steps": 5},
    "verdict": {"finalists": 2, "seeds": 2, "tasks": 40, "compare": "none"},
}

# As little as a spec may have.
LEAST: dict[str, Any] = {
    "name": "x",
    "tasks": {"kind": "sinusoid"},
    "model": {"kind": "mlp"},
    "branches": [{"algorithm": "maml", "space": {"inner_lr": 0.01}}],
}
