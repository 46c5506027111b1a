"""Processes: the servers that commands start and watch."""
