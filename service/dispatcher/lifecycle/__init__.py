"""Lifecycle: a study's phases from search to verdict, gates and completion."""
