"""Ringing systems: tasks, a network and an algorithm for metaopt."""
