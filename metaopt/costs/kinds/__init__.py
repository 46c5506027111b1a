"""The cost metrics, one a file; a module's record is its `KIND`."""
