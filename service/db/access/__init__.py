"""Who comes in, whose things they see, and what they changed: keys, sessions, projects, audit."""
