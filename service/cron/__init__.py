"""The clock of schedules: fires what is due, exactly once."""
