"""Where data sets are: on this machine, or at a server; commands work on either."""
