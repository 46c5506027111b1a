"""Bodies that parsers are known to choke on: each is refused, whatever route it is sent to."""

TRAPS = (
    b'{"name": NaN}',
    b'{"name": -Infinity}',
    b'{"name": 1e999}',
    b'{"name": "a", "name": "b"}',
    b'{"manifest": {}, "name": "a", "manifest": {}}',
    b'{"name": "\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"name": "\\u0000"}',
    b'{"seed": ' + b"9" * 5000 + b"}",
    b'{"name": ' + b"[" * 33 + b"]" * 33 + b"}",
    b"{" + b",".join(b'"f%d": 1' % i for i in range(1001)) + b"}",
    b"[" * 10_000,
    b"\xff\xfe",
    b'{"name": "\xff"}',
    b"{\x000\x00",
    b"{",
    b'{"name": 1,}',
    b"",
)
"""All are no JSON, or break a rule of ours that says nothing of what the document is about."""
