"""Networks of every width, member by member."""
