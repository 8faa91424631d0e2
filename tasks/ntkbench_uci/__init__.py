"""Data sets of the UCI Machine Learning Repository as tasks."""
