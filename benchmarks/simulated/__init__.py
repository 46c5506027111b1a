"""Simulated studies on tables of true scores (`benchmarks/search.py`)."""
