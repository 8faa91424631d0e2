"""Tables to series: which cells belong to one curve, and where each lies on its axis."""
