"""Task distributions: episodes drawn on the device from keys."""
