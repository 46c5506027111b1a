"""The spec: what a user submits."""
