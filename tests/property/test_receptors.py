"""Receptor tables hold for all contigs: the same chains from every layout, and accounts that add up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from contig_files import GENES, as_10x, as_airr, encode, make_contig, make_contigs, write_json, write_table
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.contracts.tables import CHAINS
from tcellflow.ingest.receptor_account import account_for_receptors
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.tables.chains import build_chain_table
from tcellflow.receptors.chains import ChosenChains, choose_chains
from tcellflow.receptors.clonotypes import assign_clones
from tcellflow.receptors.contigs import RawChains, join_raw_chains, make_rows
from tcellflow.receptors.encoding.keys import content_hash
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.receptors.segments import CallLevel, standardise_call

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
JUNCTIONS = st.builds(
    lambda middle, last: "C" + middle + last,
    st.text(RESIDUES, min_size=4, max_size=12),
    st.sampled_from("FW"),
)


@st.composite
def contigs(draw: st.DrawFn) -> pd.DataFrame:
    """Contigs of a few cells, some of them unusable in some way."""
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(list(GENES)))
        junction = draw(st.one_of(JUNCTIONS, st.just("")))
        v, d, j, c = (draw(st.sampled_from(names)) for names in GENES[kind])
        rows.append(
            make_contig(
                kind,
                draw(st.sampled_from(["AAAC-1", "CCCA-1", "GGGT-1"])),
                sequence_id=f"contig_{number}",
                locus=draw(st.sampled_from([kind, kind, kind, "Multi", "IGH"])),
                v_call=draw(st.sampled_from([v, v, "", "nonsense", "IGKV1-33"])),
                d_call=d,
                j_call=j,
                c_call=c,
                junction_aa=junction,
                junction=encode(junction),
                umi_count=draw(st.integers(0, 3)),
                consensus_count=draw(st.integers(0, 3)),
                productive=draw(st.booleans()),
            )
        )
    return pd.DataFrame(rows, columns=list(make_contig()))


def choose(*parts: pd.DataFrame) -> ChosenChains:
    return choose_chains(join_raw_chains([read_part(part) for part in parts]), donor="d")


def read_part(table: pd.DataFrame) -> RawChains:
    plain = table.replace("", None).drop(columns=["is_cell", "high_confidence"])
    rows = make_rows({name: plain[name] for name in plain}, len(plain))
    return RawChains("table", "file", rows, len(rows))


@given(contigs())
@settings(deadline=None, max_examples=20)
def test_all_layouts_give_the_same_chains(table: pd.DataFrame) -> None:
    """10x of both generations, JSON and AIRR round-trip to one chains table."""
    expected = choose(table)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            write_table(folder / "old.csv", as_10x(table)),
            write_table(folder / "new.csv.gz", as_10x(table, generation=31, missing="")),
            write_json(folder / "all.json", table),
            write_table(folder / "airr.tsv", as_airr(table), delimiter="\t", line_end="\r\n"),
        ]
        for path in paths:
            found = choose_chains(read_receptors(path), donor="d")
            assert found.dropped == expected.dropped
            pd.testing.assert_frame_equal(found.chains, expected.chains)


@given(contigs(), st.randoms())
@settings(deadline=None, max_examples=30)
def test_rank_is_independent_of_row_order(table: pd.DataFrame, random) -> None:
    """Shuffled rows give every cell the same chains at the same ranks."""
    order = random.sample(range(len(table)), len(table))
    keys = ["cell_id", "arm", "rank"]
    first, second = (
        choose(some).chains.sort_values(keys, ignore_index=True)
        for some in (table, table.iloc[order].reset_index(drop=True))
    )
    pd.testing.assert_frame_equal(first, second)


@given(contigs())
@settings(deadline=None, max_examples=30)
def test_accounts_add_up_and_tables_are_valid(table: pd.DataFrame) -> None:
    """Contigs, genes, keys and cells add up; the table fulfils its contract."""
    chosen = choose(table)
    cells = summarise_cells(chosen.chains, ["AAAC-1", "CCCA-1", "GGGT-1", "TTTG-1"])
    tally = account_for_receptors(chosen, cells)
    contigs = tally["contigs"]
    assert contigs["read"] == len(table) == contigs["kept"] + sum(contigs["dropped"].values())
    for segment in ("v", "j"):
        assert sum(tally["genes"][segment][level] for level in CallLevel) == contigs["kept"]
    n_keys = int(chosen.chains["emb_id"].notna().sum())
    assert n_keys + sum(tally["junctions"]["not_embeddable"].values()) == contigs["kept"]
    assert [sum(counts.values()) for counts in tally["cells"].values()] == [4, 4]
    assert find_table_faults(build_chain_table(chosen.chains, sample_id="s"), CHAINS) == []
    assert cells.loc["TTTG-1", "chain_pairing"] == "no IR"


@given(contigs(), st.sampled_from(["strict", "rescue"]))
@settings(deadline=None, max_examples=30)
def test_clones_partition_the_cells_with_chains(table: pd.DataFrame, orphans: str) -> None:
    """Every cell with a chain has one clone, and sizes count its cells."""
    chains = choose(table).chains
    clones = assign_clones(chains, orphans=orphans)
    assert set(clones.index) == set(chains["cell_id"])
    counts = clones["clone_id"].value_counts()
    assert (clones["clone_size"] == clones["clone_id"].map(counts)).all()


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=5),
    st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=5),
)
def test_hashes_agree_only_for_equal_fields(one: list[str | None], other: list[str | None]) -> None:
    """The encoding under the hash is unambiguous."""
    assert (content_hash(*one) == content_hash(*other)) == (one == other)


@given(
    st.one_of(
        st.text(max_size=20),
        st.from_regex(r"TC?R[ABGD][VDJ]\d{1,2}(-\d)?(/DV\d)?(\*\d\d)?(,TR.*)?", fullmatch=True),
    )
)
@settings(deadline=None, max_examples=200)
def test_any_text_is_answered(raw: str) -> None:
    """No spelling makes the naming of genes fail, and answers are names of their segment."""
    for segment in ("V", "D", "J"):
        call = standardise_call(raw, segment)
        assert call.name is None or call.name[3] == segment
        assert (call.name is None) == (call.level == "unknown")


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_joining_parts_equals_reading_the_whole(seed: int) -> None:
    """Alpha and beta in two files are the same as both in one."""
    table = make_contigs(8, seed=seed)
    parts = [table[table["locus"].isin(loci)] for loci in (["TRA", "TRG"], ["TRB", "TRD"])]
    keys = ["cell_id", "arm", "rank"]
    whole = choose(table).chains.sort_values(keys, ignore_index=True)
    joined = choose(*parts).chains.sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(whole, joined.astype(whole.dtypes.to_dict()))
    assert np.all(joined["rank"] >= 1)
