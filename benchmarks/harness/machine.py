"""What a figure was measured on: the machine, its load and its limits, in the same run.

Every benchmark prints `describe_machine()` first and `measure_limits()` before and after, so
that no figure has to be compared across runs.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def describe_machine(packages: tuple[str, ...]) -> dict[str, object]:
    """Name CPU, cores, memory, load, versions and commit."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    flags = set(fields.get("flags", "").split()) & {"avx2", "avx512f", "avx512_vnni", "avx512_bf16"}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return {
        "cpu": fields.get("model name", platform.processor()),
        "flags": sorted(flags),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "commit": commit.stdout.strip(),
    }


def measure_limits() -> dict[str, float]:
    """Measure single-thread matrix product (GFLOP per CPU second) and copy (GB per second)."""
    generator = np.random.default_rng(0)
    left = generator.random((1152, 768), dtype=np.float32)
    right = generator.random((768, 3072), dtype=np.float32)
    flop = 2 * left.shape[0] * left.shape[1] * right.shape[1]
    products = []
    for _ in range(9):
        start = time.process_time()
        left @ right
        products.append(flop / max(time.process_time() - start, 1e-9) / 1e9)
    source = np.ones(100_000_000, dtype=np.float32)
    target = np.empty_like(source)
    copies = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        copies.append(2 * source.nbytes / (time.perf_counter() - start) / 1e9)
    return {
        "sgemm_gflop_per_cpu_s": round(statistics.median(products), 1),
        "copy_gb_per_s": round(max(copies), 1),
    }
