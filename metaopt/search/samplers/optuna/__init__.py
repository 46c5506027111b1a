"""What the samplers that are Optuna's share; it loads Optuna, so no declaration stands here."""
