"""Optuna's own tables in the same database: its storage, and many of its rows at once."""
