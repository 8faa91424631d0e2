"""The NNGP and the NTK of any points, exact to rounding."""
