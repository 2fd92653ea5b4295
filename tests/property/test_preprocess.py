"""preprocess on random samples: nothing depends on blocks or order, and nothing is lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest import mock

import anndata as ad
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contig_files import as_10x, make_contig, write_table
from factories import InBlocks, make_barcodes, make_counts, write_10x_h5
from tcellflow.errors import InputError
from tcellflow.ingest import inputs
from tcellflow.steps.preprocess import PreprocessOptions, preprocess

SAMPLE = make_counts(24, 80)
N_GENES = np.diff(SAMPLE.counts.indptr)
STRANGE = make_barcodes(4, seed=5)
JUNCTIONS = {"TRA": ["CAVRDW", "CAASGGSYIPTF"], "TRB": ["CASSLGF", "CASSIRSSYEQYF"], "IGH": ["CARDYW"]}

contigs = st.lists(
    st.builds(
        lambda cell, locus, which, umis, productive, junction: {
            "cell_id": cell,
            "locus": locus,
            "junction_aa": JUNCTIONS[locus][which % len(JUNCTIONS[locus])] if junction else "",
            "umi_count": umis,
            "productive": productive,
        },
        st.sampled_from([*SAMPLE.barcodes[:10], *STRANGE[:2]]),
        st.sampled_from(list(JUNCTIONS)),
        st.integers(0, 1),
        st.integers(1, 3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=25,
)
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def table_of(rows):
    """Give the contigs as a 10x table; every contig has its own name."""
    full = [
        make_contig(
            "TRB" if row["locus"] == "IGH" else row["locus"],
            sequence_id=f"contig{number}",
            **{name: value for name, value in row.items() if name != "locus"},
        )
        | {"locus": row["locus"]}
        for number, row in enumerate(rows)
    ]
    return as_10x(pd.DataFrame(full, columns=list(make_contig())))


def run(folder, name, table, *, n_rows=1024, **options):
    """Run preprocess on the sample in blocks of some height; give the output folder, None if refused."""
    gex, tcr = folder / "m.h5", folder / "c.csv"
    if not gex.exists():
        write_10x_h5(gex, SAMPLE)
    write_table(tcr, table)

    def open_in_blocks(path, *, slot=None):
        return InBlocks(original(path, slot=slot), n_rows)

    original = inputs.open_matrix
    with mock.patch.object(inputs, "open_matrix", open_in_blocks):
        try:
            preprocess(
                PreprocessOptions(
                    output=folder / name,
                    prefix="s",
                    gex=gex,
                    tcr=(tcr,),
                    allow_low_overlap=True,
                    **options,
                )
            )
        except InputError as error:
            if "passed quality control" not in error.what:
                raise
            return None
    return folder / name


thresholds = st.fixed_dictionaries(
    {
        "min_genes": st.sampled_from(sorted({0, *N_GENES.tolist()})),
        "t_cells_only": st.booleans(),
        "orphans": st.sampled_from(["strict", "rescue"]),
    }
)


@few
@given(contigs, thresholds, st.integers(1, 30))
def test_the_height_of_blocks_changes_no_byte(rows, options, n_rows):
    """Whatever the contigs and thresholds, blocks of any height give the same files."""
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name), table_of(rows)
        whole = run(folder, "whole", table, **options)
        parts = run(folder, "parts", table, n_rows=n_rows, **options)
        assert (whole is None) == (parts is None)
        if whole is not None:
            for path in whole.iterdir():
                assert path.read_bytes() == (parts / path.name).read_bytes()


@few
@given(contigs, thresholds)
def test_every_cell_and_contig_is_accounted_for(rows, options):
    """Cells and contigs are kept or counted under one reason, and the tables agree with the account."""
    with tempfile.TemporaryDirectory() as name:
        out = run(Path(name), "out", table_of(rows), **options)
        if out is None:
            return
        qc = json.loads((out / "s.qc.json").read_text())
        obs = ad.read_h5ad(out / "s.cells.h5ad").obs
        chains = pd.read_parquet(out / "s.chains.parquet")
    assert qc["cells"]["input"] == 24
    assert qc["cells"]["kept"] == len(obs) == 24 - sum(qc["cells"]["removed"].values())
    account = qc["receptors"]["contigs"]
    assert account["read"] == len(rows)
    assert account["kept"] == len(chains) == len(rows) - sum(account["dropped"].values())
    # said again from the input: what is usable, of a cell that stayed; a chain told twice is one
    usable = {
        (row["cell_id"], row["locus"], row["junction_aa"])
        for row in rows
        if row["cell_id"] in obs.index
        and row["locus"] != "IGH"
        and row["productive"]
        and row["junction_aa"] != ""
    }
    assert len(chains) == len(usable)
    assert set(chains["cell_id"]) == {cell for cell, _, _ in usable}
    has_chain = obs.index.isin(chains["cell_id"])
    assert ((obs["chain_pairing"] != "no IR") == has_chain).all()
    assert (obs["clone_id"].notna() == has_chain).all()
    assert ((obs["clone_size"] > 0) == has_chain).all()
    sizes = obs["clone_id"].value_counts()
    assert all(obs["clone_size"][has_chain] == obs["clone_id"][has_chain].map(sizes).astype(int))


@few
@given(contigs, st.randoms(use_true_random=False))
def test_the_order_of_contigs_changes_nothing(rows, random):
    """Permuted contigs give the same cells, chains, ranks, clones and counts."""
    table = table_of(rows)
    order = list(range(len(table)))
    random.shuffle(order)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outs = [run(folder, str(i), t, min_genes=1) for i, t in enumerate((table, table.iloc[order]))]
        obs = [ad.read_h5ad(out / "s.cells.h5ad").obs for out in outs]
        chains = [pd.read_parquet(out / "s.chains.parquet") for out in outs]
        accounts = [json.loads((out / "s.qc.json").read_text())["receptors"] for out in outs]
    pd.testing.assert_frame_equal(*obs)
    keys = ["cell_id", "arm", "rank"]
    pd.testing.assert_frame_equal(*(t.sort_values(keys, ignore_index=True) for t in chains))
    assert accounts[0] == accounts[1]
