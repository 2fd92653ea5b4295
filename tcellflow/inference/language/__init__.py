"""Putting claims into words with a bundle; never torch."""
