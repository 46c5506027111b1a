"""What stands for a study beside its id and its name (`service.operations.references`)."""

LAST = "last"
"""The newest study."""
