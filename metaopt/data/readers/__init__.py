"""Readers: one form of data a file, each ending in a packed data set."""
