"""Figures of merit, each once, and their intervals."""
