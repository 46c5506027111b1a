"""Task banks, adaptation curves and their statistics."""
