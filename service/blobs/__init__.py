"""Blobs: files that rows name, in a directory or an object store: what trials resume from."""
