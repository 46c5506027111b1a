"""Figures that papers and their authors' code published, and ours beside them."""
