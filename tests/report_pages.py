"""Pages of samples that `step_outputs` and `report_outputs` make, and a browser's view of them.

Invariant: nothing may be asked of a network, and nothing may be complained of, while a page is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from report_outputs import GENES, PROTEINS, write_other_files
from step_outputs import make_step_frames, write_step_files
from tcellflow.report.cohort.content import compose_cohort
from tcellflow.report.cohort.samples import read_cohort
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.page import render_cohort, render_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"


def write_page(
    folder: Path, n_cells: int, *, hostile: bool = False, whole: bool = True, seed: int = 0
) -> Path:
    """Write the page of a made sample; hostile puts markup into every field that holds a name or a text.

    Where it is not whole, fuse, describe and neighbours did not run.
    """
    frames = make_step_frames(n_cells, seed=seed)
    if hostile:
        for frame, column in (
            (frames.predictions, "barcode"),
            (frames.chains, "cell_id"),
            (frames.receptors, "cell_id"),
            (frames.predictions, "clone_id"),
            (frames.receptors, "clone_id"),
            (frames.clonotypes, "clone_id"),
        ):
            frame[column] = HOSTILE + frame[column].astype(str)
        for frame in (frames.chains, frames.receptors):
            frame["sample_id"] = frame["donor"] = HOSTILE
        for column in ("v_call", "j_call", "junction_aa"):
            frames.chains[column] = HOSTILE
        frames.qc.update({"sample_id": HOSTILE, "warnings": [HOSTILE]})
        frames.metrics["warnings"] = [HOSTILE + "again"]
    barcodes = frames.predictions["barcode"].to_numpy(object)
    path = folder / "vectors.h5ad"
    folder.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        obs.attrs["_index"] = "_index"
        obs.create_dataset("_index", data=barcodes, dtype=h5py.string_dtype())
        vectors = np.random.default_rng(0).normal(size=(n_cells, 8)).astype(np.float32)
        file.create_group("obsm").create_dataset("X_state", data=vectors)
    paths = [*write_step_files(folder, frames), path]
    if whole:
        proteins = (HOSTILE, *PROTEINS) if hostile else PROTEINS
        genes = (HOSTILE, HOSTILE + "2") if hostile else GENES
        paths += write_other_files(folder, frames, proteins=proteins, genes=genes)
    inputs = read_report_inputs(paths)
    page = folder / "donor1.report.html"
    prefix = HOSTILE if hostile else "donor1"
    page.write_text(render_page(compose_report(inputs, prefix)), encoding="utf-8")
    return page


def write_cohort_page(folder: Path, n_samples: int = 5) -> Path:
    """Write the page of made samples, the second with markup for its donor, two alike in their receptors."""
    for number in range(n_samples):
        frames = make_step_frames(60, sample=f"s{number}", seed=number)
        if number == 1:
            frames.chains["donor"] = HOSTILE
        write_step_files(folder / f"s{number}", frames, f"s{number}")
    samples = read_cohort([folder / f"s{number}" for number in range(n_samples)])
    page = folder / "cohort.report.html"
    page.write_text(render_cohort(compose_cohort(samples, HOSTILE)), encoding="utf-8")
    return page


def open_page(browser: Any, path: Path, **options: Any) -> Iterator[Any]:
    """Open a page offline; at the end nothing may have been asked for or complained of."""
    viewport = options.pop("viewport", {"width": 1200, "height": 900})
    context = browser.new_context(offline=True, viewport=viewport, **options)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))"
    )
    page.goto(path.as_uri())
    yield page
    page.wait_for_timeout(50)
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    context.close()
