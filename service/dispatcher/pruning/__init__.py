"""Pruning: what happens to a trial that was scored at a rung."""
