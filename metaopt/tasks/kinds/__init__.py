"""Kinds of tasks, one a file; a declaration loads no torch."""
