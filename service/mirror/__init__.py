"""The mirror: our trials in Optuna's own tables, for its dashboard."""
