"""Specs: as they come in, and as they are stored."""
