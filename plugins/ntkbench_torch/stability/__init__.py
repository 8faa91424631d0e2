"""The learning rates at which wide networks stop following the kernel (docs/theory.md, C14)."""
