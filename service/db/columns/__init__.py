"""Types of columns that neither database has."""
