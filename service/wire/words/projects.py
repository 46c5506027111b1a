"""The header by which a request says in which project it is at work."""

PROJECT_HEADER = "Metaopt-Project"
