"""Models as pure functions over a dict of tensors with leading lane and task axes."""
