"""Runs a plan: schedules cells, solves them in worker processes, commits their outcomes."""
