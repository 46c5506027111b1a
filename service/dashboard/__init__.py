"""Our page and the mounted Optuna Dashboard."""
