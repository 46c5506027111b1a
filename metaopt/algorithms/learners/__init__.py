"""Learners that learn more than weights, begin a task elsewhere or answer it otherwise."""
