"""Cost metrics: what beside the score is known of a trial."""
