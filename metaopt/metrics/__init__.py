"""What tasks are scored by; nothing here loads torch before it scores."""
