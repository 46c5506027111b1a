"""The rules, one a file: each declares a `KIND`."""
