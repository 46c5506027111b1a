"""Gates: what the best finalist of a study must be able to do, one rule a file."""
