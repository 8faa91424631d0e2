"""Training of all members of an ensemble at once."""
