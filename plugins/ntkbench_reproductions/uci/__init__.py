"""Questions asked over many real data sets at once, each set a unit."""
