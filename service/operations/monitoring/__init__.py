"""Monitoring: whether the service works, and what it counts."""
