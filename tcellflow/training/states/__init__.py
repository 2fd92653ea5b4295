"""Training of T-cell state networks."""
