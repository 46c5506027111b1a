"""Outputs: what a command that waited leaves behind for CI."""
