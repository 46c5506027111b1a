"""Use cases: plain functions of (session, ...)."""
