"""Synthetic tasks: functions whose truth is known, on inputs where the theory speaks."""
