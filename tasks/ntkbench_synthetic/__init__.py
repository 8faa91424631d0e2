"""Synthetic tasks: known functions, on inputs to which the theory applies."""
