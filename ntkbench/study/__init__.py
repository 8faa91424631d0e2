"""A study: what a user asks. Read, edited, validated, and resolved against what plugins registered."""
