"""The scheduler: which trials a free slot trains next, and for how long."""
