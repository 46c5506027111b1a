"""Tasks from a packed data set (`metaopt.data`): its splits, what normalises it, what is drawn."""
