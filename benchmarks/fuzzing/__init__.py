"""Inputs with random mistakes: each must be accepted or refused with one message, within seconds and a gigabyte."""
