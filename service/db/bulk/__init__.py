"""Many rows at once: what a step of the dispatcher writes."""
