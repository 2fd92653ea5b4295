"""How the tables of fused vectors write numbers."""

from __future__ import annotations


def show(value: float) -> str:
    """Write a share with three decimals."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def sign(value: float) -> str:
    """Write a difference with its sign."""
    return ("+" if value >= 0 else "-") + show(abs(value))
