"""The account of a sample adds up and is ready for JSON."""

from __future__ import annotations

import json

from contig_files import as_10x, make_contigs, write_table
from tcellflow.ingest.receptor_account import account_for_receptors
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.contigs import DropReason
from tcellflow.receptors.encoding.keys import NotEmbeddable
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.receptors.segments import CallLevel


def test_everything_adds_up(tmp_path) -> None:
    """Contigs, gene levels, keys and cells each add up to what was read."""
    contigs = make_contigs(60, seed=1)
    contigs.loc[3, "v_call"] = "TRAV29DV5"
    raw = read_receptors(write_table(tmp_path / "c.csv", as_10x(contigs)))
    chosen = choose_chains(raw, donor="d")
    cells = summarise_cells(chosen.chains, raw.cell_ids())
    tally = account_for_receptors(chosen, cells)
    n_kept = tally["contigs"]["kept"]
    assert tally["contigs"]["read"] == len(contigs)
    assert n_kept + sum(tally["contigs"]["dropped"].values()) == len(contigs)
    for segment in ("v", "j"):
        levels = [tally["genes"][segment][level] for level in CallLevel]
        assert sum(levels) == n_kept
    assert sum(tally["cells"]["chain_pairing"].values()) == len(cells)
    assert sum(tally["cells"]["receptor_subtype"].values()) == len(cells)
    n_keys = chosen.chains["emb_id"].notna().sum()
    assert n_keys + sum(tally["junctions"]["not_embeddable"].values()) == n_kept
    assert json.loads(json.dumps(tally)) == tally


def test_every_key_is_there_even_without_contigs(tmp_path) -> None:
    """An empty sample has the same keys, all zero."""
    raw = read_receptors(write_table(tmp_path / "c.csv", as_10x(make_contigs(0))))
    chosen = choose_chains(raw, donor="d")
    tally = account_for_receptors(chosen, summarise_cells(chosen.chains, ["a"]))
    assert set(tally["contigs"]["dropped"]) == set(DropReason)
    assert set(tally["junctions"]["not_embeddable"]) == set(NotEmbeddable)
    assert tally["cells"]["chain_pairing"]["no IR"] == 1
    assert tally["contigs"]["read"] == 0


def test_genes_outside_the_functional_set_are_counted(tmp_path) -> None:
    """ORF and pseudogenes are named and counted."""
    contigs = (
        make_contigs(3, seed=2).iloc[:1].assign(locus="TRA", v_call="TRAV15", j_call="TRAJ1", productive=True)
    )
    chosen = choose_chains(read_receptors(write_table(tmp_path / "c.csv", as_10x(contigs))), donor="d")
    tally = account_for_receptors(chosen, summarise_cells(chosen.chains, []))
    assert [tally["genes"][segment]["not_functional"] for segment in "vj"] == [1, 1]
