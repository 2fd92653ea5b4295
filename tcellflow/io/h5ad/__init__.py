"""The cells file (.h5ad): reading, writing and checking what steps exchange."""
