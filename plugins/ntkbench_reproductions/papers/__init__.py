"""The figures and tables of the papers, from the runs of the studies named after them."""
