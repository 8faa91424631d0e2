"""The figures of the papers, drawn of the tables of the studies named after them."""
