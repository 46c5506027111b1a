"""Leadership: who is the live dispatcher, and what it does first and last."""
