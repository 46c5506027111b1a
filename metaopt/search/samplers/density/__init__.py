"""Density: what TPE models good and bad trials by; loads numpy."""
