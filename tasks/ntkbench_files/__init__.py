"""The user's own tables as tasks."""
