"""Pages: what commands print for people."""
