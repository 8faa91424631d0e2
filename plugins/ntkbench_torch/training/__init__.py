"""Training of many members at once."""
