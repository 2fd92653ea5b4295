"""Cells to T-cell states at run time: the predictor, what may be reported, and the tables of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcellflow.inference.states.predictor import StatePredictor

__all__ = ["StatePredictor"]


def __getattr__(name: str) -> object:
    """Import `StatePredictor` where it is asked for, so that the other modules load without it."""
    if name == "StatePredictor":
        from tcellflow.inference.states import predictor  # noqa: PLC0415 (heavy)

        return predictor.StatePredictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
