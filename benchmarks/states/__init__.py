"""How well T-cell states are called on data sets never seen, beside their peers."""
