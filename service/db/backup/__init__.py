"""What a backup reads and writes: all rows, and the files that they name."""
