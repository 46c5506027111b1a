"""Gradient-based meta-learning, many trials at once: tasks, models, algorithms, lanes, search."""
