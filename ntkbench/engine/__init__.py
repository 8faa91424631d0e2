"""The engine: decides which cells to run, hands them to an executor, and commits what comes back."""
