"""Selection: which trials are trained again, and which become finalists."""
