"""One sample from its files to its report: what to run, the plan of steps, and the run itself."""

from tcellflow.pipeline.demo import DEMO_SAMPLE, use_demo
from tcellflow.pipeline.options import RunOptions
from tcellflow.pipeline.run import run_sample

__all__ = ["DEMO_SAMPLE", "RunOptions", "run_sample", "use_demo"]
