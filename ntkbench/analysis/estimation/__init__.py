"""Series to estimates with intervals."""
