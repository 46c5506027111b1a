"""Spaces, samplers and pruning rules; the only package that imports optuna."""
