"""Compiled programs: whether one pays, who makes it, and who may be trusted to load it."""
