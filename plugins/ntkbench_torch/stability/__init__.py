"""The learning rates at which wide networks stop following the theory (C14)."""
