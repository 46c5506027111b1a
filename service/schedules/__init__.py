"""Schedules: when to submit what, and what came of it over time."""
