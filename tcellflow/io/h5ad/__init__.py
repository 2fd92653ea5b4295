"""The cells file (.h5ad) that steps exchange: writing, copying, reading and checking it."""
