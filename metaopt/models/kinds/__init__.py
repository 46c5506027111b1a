"""Kinds of models, one a file; a declaration loads no torch."""
