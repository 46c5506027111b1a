"""Search: points from samplers, in the background and replayed."""
