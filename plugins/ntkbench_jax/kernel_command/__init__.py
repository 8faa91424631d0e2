"""``ntkbench kernel``: kernels of the user's own arrays."""
