"""The schema: our chain of revisions and Optuna's, to their heads; writing the next revision."""
