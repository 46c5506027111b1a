"""Streaming: how new events find their readers, and how many may read."""
