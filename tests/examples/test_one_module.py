"""The example pipeline that imports one module runs under the real Nextflow."""

from __future__ import annotations

import json

import pytest

from benchmarks.harness.nextflow import ROOT
from nextflow_engine import find_nextflow

EXAMPLE = ROOT / "examples" / "one_module"


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("-stub-run",)], ids=["real", "stub"])
def test_own_pipeline_takes_the_module_and_its_options(arguments, tmp_path):
    """Both samples of the sheet go through the module, as configured, into the pipeline's own step."""
    done = find_nextflow().run(EXAMPLE, *arguments, folder=tmp_path)
    assert done.code == 0, done.output
    assert done.tasks("COMPLETED") == ["KEPT_CELLS", *(f"TCELLFLOW_PREPROCESS ({s})" for s in _samples())]
    if arguments:
        return
    kept = dict(line.split("\t") for line in (tmp_path / "results/kept_cells.tsv").read_text().splitlines())
    for sample in _samples():
        account = json.loads((tmp_path / "results" / f"{sample}.qc.json").read_text())
        assert int(kept[sample]) == account["cells"]["kept"] > 200
        assert account["tcellflow"]["options"]["t_cells_only"] is True


def _samples():
    rows = (ROOT / "examples" / "samples.csv").read_text().splitlines()[1:]
    return [row.split(",")[0] for row in rows]
