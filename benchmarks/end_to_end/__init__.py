"""A search from submission to verdict, ours beside Optuna with `higher`."""
