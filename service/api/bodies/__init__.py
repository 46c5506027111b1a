"""Bodies: what a request may send, and how it is read."""
