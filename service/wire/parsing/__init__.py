"""Parsing: bytes to plain data, with the rules that parsers leave out."""
