"""Connections to the database: how long each kind of process waits for it, and what fails then."""
