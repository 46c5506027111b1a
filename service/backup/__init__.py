"""Backups: a whole service in a directory, made while it works, and put back where nothing is."""
