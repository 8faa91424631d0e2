"""Numbers computed from a subject, a reference and the targets."""
