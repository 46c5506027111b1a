"""Algorithms, one a file; a declaration loads no torch."""
