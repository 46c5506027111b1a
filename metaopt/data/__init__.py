"""A user's data: looked at, packed once, and named by what is in them."""
