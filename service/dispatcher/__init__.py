"""The one process that decides: queue, branches, slots, rungs, verdicts."""
