"""Claims into words by a network: phrases to learn from, rows to copy from, and what may be written next."""
