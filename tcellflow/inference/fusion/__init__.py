"""Fusing expression and surface proteins with a bundle; never torch."""
