"""The checker: proves from rows, files and processes alone that a run lost and doubled nothing.

    rows of a study ──▶ rules ──▶ violations        one file a kind of rule
    the data directory, /proc, Optuna's tables ──▶ more of them

It reads and never writes.  `python -m service.invariants` is its command.
"""
