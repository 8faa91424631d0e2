"""Tables of a user's own as tasks."""
