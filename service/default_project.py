"""The project of whatever nobody has given another."""

DEFAULT_PROJECT = "default"
