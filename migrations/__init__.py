"""Alembic migrations of our tables (prefix `mo_`)."""
