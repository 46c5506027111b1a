"""Estimation: what a sample says of the truth, and how sure that is."""
