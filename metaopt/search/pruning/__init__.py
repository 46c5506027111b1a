"""Pruning: which trials stop early; one rule a file, found by its name (`registry`)."""
