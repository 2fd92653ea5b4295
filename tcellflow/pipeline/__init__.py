"""One sample from its files to its report: what to run, the plan of steps, and the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcellflow.pipeline.demo import DEMO_SAMPLE, use_demo
from tcellflow.pipeline.options import RunOptions

if TYPE_CHECKING:
    from tcellflow.pipeline.run import run_sample

__all__ = ["DEMO_SAMPLE", "RunOptions", "run_sample", "use_demo"]


def __getattr__(name: str) -> object:
    """Import `run_sample` where it is asked for, so that options are checked without the steps."""
    if name == "run_sample":
        from tcellflow.pipeline import run  # noqa: PLC0415 (heavy)

        return run.run_sample
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
