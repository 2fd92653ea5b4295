"""What is measured: scripts that print the figures of the docs."""
