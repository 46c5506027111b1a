"""Many trials as lanes of one program."""
