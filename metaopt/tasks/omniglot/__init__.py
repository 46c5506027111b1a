"""Omniglot: its archives, pixels and splits, the packaged file, and tasks from it."""
