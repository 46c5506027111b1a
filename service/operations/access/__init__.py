"""API keys and the audit log, for operators and administrators."""
