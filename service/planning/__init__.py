"""Planning: pure, what a spec means before anything runs."""
