"""Statistics that compare methods over data sets."""
