"""Studies that reproduce published figures and tables, with their analyses."""
