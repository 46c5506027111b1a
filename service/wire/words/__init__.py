"""Words: numbers, verdicts and gates as people read them."""
