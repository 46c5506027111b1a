"""The store: what is written, read back and kept on disk; all behind the fence."""
