"""Small real receptor files give the chains tables and accounts they have always given."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from tcellflow.ingest.receptor_account import account_for_receptors
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.tables.chains import build_chain_table
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.clonotypes import assign_clones
from tcellflow.receptors.pairing import summarise_cells

HERE = Path(__file__).parent
INPUTS = sorted(path for path in (HERE / "inputs").iterdir() if path.suffix in {".csv", ".tsv"})
SAMPLE = (
    Path(str(files("tcellflow")))
    / "data"
    / "samples"
    / "tenx_healthy_T_1k"
    / "filtered_contig_annotations.csv"
)


def results(path: Path, *, with_table: bool) -> dict[str, str]:
    raw = read_receptors(path)
    chosen = choose_chains(raw, donor="donor")
    account = account_for_receptors(chosen, summarise_cells(chosen.chains, raw.cell_ids()))
    account["clones"] = int(assign_clones(chosen.chains)["clone_id"].nunique())
    account["warnings"] = list(chosen.warnings)
    name = path.parent.name if path == SAMPLE else path.stem
    found = {f"{name}.json": json.dumps(account, indent=1) + "\n"}
    if with_table:
        table = build_chain_table(chosen.chains, sample_id="sample").to_pandas()
        found[f"{name}.tsv"] = table.to_csv(index=False, sep="\t", lineterminator="\n")
    return found


@pytest.mark.parametrize("path", [*INPUTS, SAMPLE], ids=lambda path: path.parent.name + "/" + path.stem)
def test_results_are_the_expected_ones(path: Path, regenerate: bool) -> None:
    """Chains, names, ranks, keys and counts stay as they are unless changed on purpose."""
    for name, text in results(path, with_table=path != SAMPLE).items():
        expected = HERE / "expected" / name
        if regenerate:
            expected.write_text(text)
        assert text == expected.read_text()
