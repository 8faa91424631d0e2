"""Estimates to verdicts."""
