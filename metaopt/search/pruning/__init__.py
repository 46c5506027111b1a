"""Pruning: which trials stop early; one rule a file."""
