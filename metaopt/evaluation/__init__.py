"""Task banks and adaptation curves."""
