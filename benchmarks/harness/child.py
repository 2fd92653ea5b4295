"""What a benchmarked child process prints last."""

from __future__ import annotations

import json
from pathlib import Path


def report_child(import_seconds: float, **others: object) -> None:
    """Print import time, peak resident memory (VmHWM) and whatever else there is, as one JSON line."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak_kib = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps({"import_seconds": import_seconds, "peak_mib": peak_kib / 1024, **others}))
