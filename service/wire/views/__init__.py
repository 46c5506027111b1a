"""Views: what the API answers."""
