"""The empirical tangent kernel: formed, or applied to a vector."""
