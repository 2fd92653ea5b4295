"""Time reports of 1,000 to 1,000,000 cells and of a cohort, in fresh processes.

    python -m benchmarks.report.run [--cells 10000 100000] [--samples 200] [--runs 3] [--out RESULT.json]

Where playwright and Chromium are there, the time until the page can be used is measured, too: from asking for
the file to the end of its script, without a network.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness.machine import describe_machine
from benchmarks.report.sample import repeat_sample

MAIN = (
    "import sys\nfrom pathlib import Path\nfrom tcellflow.cli.app import main\n"
    "try:\n    main()\nfinally:\n"
    "    status = Path('/proc/self/status').read_text()\n"
    "    print(status.partition('VmHWM:')[2].split()[0], file=sys.stderr)\n"
)
SAMPLE = "trex_pt17_trimodal"


def run_command(*arguments: object) -> tuple[float, float, float]:
    """Run tcellflow in a fresh process; give wall and CPU seconds and peak MiB."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(done.stderr.split()[-1]) / 1024


def measure(runs: int, page: Path, *arguments: object) -> dict[str, float]:
    """Give wall seconds (median and least), CPU seconds and highest peak of some runs, and the page."""
    found = [run_command("report", *arguments, "--force") for _ in range(runs)]
    return {
        "wall_seconds": round(statistics.median(wall for wall, _, _ in found), 2),
        "least_wall_seconds": round(min(wall for wall, _, _ in found), 2),
        "cpu_seconds": round(statistics.median(cpu for _, cpu, _ in found), 2),
        "peak_mib": round(max(peak for _, _, peak in found)),
        "page_mib": round(page.stat().st_size / 2**20, 2),
        "load": round(os.getloadavg()[0], 1),
        **open_page(page),
    }


def open_page(page: Path) -> dict[str, float]:
    """Give the seconds until the page's script has ended; nothing without a browser."""
    chromium = os.environ.get("TCELLFLOW_CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError:
        return {}
    if chromium is None:
        return {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_context(offline=True).new_page()
        start = time.perf_counter()
        view.goto(page.as_uri())
        view.wait_for_selector("html.ready")
        seconds = time.perf_counter() - start
        browser.close()
    return {"interactive_seconds": round(seconds, 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result: dict[str, object] = {"machine": describe_machine(("numpy", "pyarrow", "pandas", "jinja2"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_command("run", "--demo-sample", SAMPLE, "-o", folder / "own", "--prefix", "own")
        for n_cells in given.cells:
            repeat_sample(folder / "own", "own", folder / str(n_cells), "s", n_cells)
            page = folder / str(n_cells) / "s.report.html"
            row = measure(given.runs, page, "-o", folder / str(n_cells), "--prefix", "s")
            result[f"{n_cells:,} cells"] = row
            print(f"{n_cells:,} cells: {row}", flush=True)
            shutil.rmtree(folder / str(n_cells))
        if given.samples:
            for number in range(given.samples):
                repeat_sample(folder / "own", "own", folder / "cohort", f"s{number:03d}", 5_000)
                (folder / "cohort" / f"s{number:03d}.annotated.h5ad").unlink()
            page = folder / "all.report.html"
            row = measure(1, page, folder / "cohort", "-o", folder, "--prefix", "all")
            result[f"{given.samples} samples of 5,000 cells"] = row
            print(f"{given.samples} samples of 5,000 cells: {row}", flush=True)
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
