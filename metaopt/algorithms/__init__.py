"""What one lane does in one meta-iteration."""
