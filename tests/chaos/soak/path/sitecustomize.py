"""First on the path of a soak's processes: SQLite's page caches are small, so they are soon full.

Each connection caches up to 16 MiB of a database that grows with every study: for half an hour that
would look like a leak, and hide one.
"""

from service.db import engine

engine.CACHE = "cache_size=-512"
