"""What is left out of the corpus stays out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from receptor_corpora import make_chains, make_pairs, write_table
from tcellflow.errors import InputError
from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.receptors.encoding.tokens import FIRST_RESIDUE, PADDING, build_vocabulary
from tcellflow.training.receptors.corpus import read_corpus
from tcellflow.training.receptors.options import CorpusOptions

VOCABULARY = build_vocabulary()


def junctions(chains):
    """Read junctions out of tokens."""
    return [
        "".join(RESIDUES[token - FIRST_RESIDUE] for token in row if token != PADDING)
        for row in chains.residues
    ]


def everything(options):
    """Junctions learnt from and validated with: alphas, betas, alphas and betas of pairs."""
    learn, validation, _ = read_corpus(options, VOCABULARY)
    names = ("alphas", "betas", "pair_alphas", "pair_betas")
    return [junctions(getattr(learn, name)) + junctions(getattr(validation, name)) for name in names]


def first(columns, number, **changes):
    """Change the first rows of columns."""
    columns = {name: list(values) for name, values in columns.items()}
    for name, value in changes.items():
        columns[name][:number] = [value] * number
    return columns


def test_all_rows_are_read_and_sorted_by_locus(tmp_path):
    """Each chain comes back once, alphas and betas apart, genes as their numbers."""
    alphas, betas = make_chains(300, "TRA", 1), make_chains(700, "TRB", 2)
    path = write_table(tmp_path / "chains.parquet", alphas, betas)
    found = everything(CorpusOptions((path,)))
    assert sorted(found[0]) == sorted(alphas["junction_aa"])
    assert sorted(found[1]) == sorted(betas["junction_aa"])
    learn, _, tally = read_corpus(CorpusOptions((path,)), VOCABULARY)
    unknown = sum(name is None for name in betas["v_call"]) / 700
    assert np.mean(learn.betas.v_call == 0) == pytest.approx(unknown, abs=0.02)
    assert tally.kept == {"chains.parquet": {"here": 1000}}
    assert tally.left_out == {}


def test_validation_shares_no_junction_with_learning(tmp_path):
    """A junction in several rows is on one side only, and the choice never changes."""
    betas = make_chains(2_000, "TRB", 3)
    path = write_table(tmp_path / "chains.parquet", betas, betas)
    learn, validation, _ = read_corpus(CorpusOptions((path,)), VOCABULARY)
    one, other = junctions(learn.betas), junctions(validation.betas)
    assert not set(one) & set(other)
    assert 0 < len(other) < 60
    assert junctions(read_corpus(CorpusOptions((path,)), VOCABULARY)[1].betas) == other


def test_flagged_rows_are_left_out_unless_wanted(tmp_path):
    """Rows with an epitope label are learnt from only when asked for."""
    betas = first(make_chains(200, "TRB", 4), 50, has_epitope_label=True)
    path = write_table(tmp_path / "chains.parquet", betas)
    assert set(everything(CorpusOptions((path,)))[1]) == set(betas["junction_aa"][50:])
    assert set(everything(CorpusOptions((path,), is_label_free=False))[1]) == set(betas["junction_aa"])
    assert read_corpus(CorpusOptions((path,)), VOCABULARY)[2].left_out == {"epitope label": 50}


def test_an_excluded_source_gives_no_row(tmp_path):
    """Any source can be left out, of chains and of pairs."""
    chains = write_table(
        tmp_path / "chains.parquet", make_chains(100, "TRB", 5), make_chains(80, "TRB", 6, source="there")
    )
    pairs = write_table(tmp_path / "pairs.parquet", make_pairs(60, 7), make_pairs(40, 9, source="there"))
    found = everything(CorpusOptions((chains,), (pairs,), excluded_sources=frozenset({"there"})))
    assert [len(part) for part in found] == [0, 100, 60, 60]
    assert sorted(found[1]) == sorted(make_chains(100, "TRB", 5)["junction_aa"])


@pytest.mark.parametrize("arm", ["tra", "trb"])
def test_a_pair_with_one_withheld_chain_is_left_out(tmp_path, arm):
    """A labelled alpha or beta takes its pair out although the pair bears no flag."""
    chains = write_table(tmp_path / "chains.parquet", make_chains(50, "TRB", 8))
    columns = make_pairs(60, 7)
    pairs = write_table(tmp_path / "pairs.parquet", columns)
    labelled = write_table(
        tmp_path / "labelled.parquet", {"junction_aa_tra": [None], "junction_aa_trb": ["CASSF"]},
        {"junction_aa_tra": [None, None], "junction_aa_trb": columns[f"junction_aa_{arm}"][:2]},
    )  # fmt: skip
    found = everything(CorpusOptions((chains,), (pairs,), (labelled,)))
    assert sorted(found[2]) == sorted(columns["junction_aa_tra"][2:])
    assert sorted(found[3]) == sorted(columns["junction_aa_trb"][2:])


def test_withheld_single_chains_are_left_out_whatever_their_flag(tmp_path):
    """The list of labelled junctions counts where the flag is missing."""
    betas = make_chains(100, "TRB", 5)
    del betas["has_epitope_label"]
    path = write_table(tmp_path / "chains.parquet", betas)
    labelled = write_table(tmp_path / "labelled.parquet", {"junction_aa": betas["junction_aa"][:30]})
    found = everything(CorpusOptions((path,), withheld=(labelled,)))
    assert set(found[1]) == set(betas["junction_aa"][30:])


def test_what_cannot_be_embedded_is_left_out_and_counted(tmp_path):
    """Junctions with other letters or too short, and chains of other loci, are no data."""
    betas = make_chains(100, "TRB", 5)
    betas = first(betas, 1, junction_aa="CAS*YF") | {"locus": ["TRB"] * 90 + ["TRG"] * 10}
    betas["junction_aa"][1:3] = ["CAF", None]
    path = write_table(tmp_path / "chains.parquet", betas)
    assert len(everything(CorpusOptions((path,)))[1]) == 87
    tally = read_corpus(CorpusOptions((path,)), VOCABULARY)[2]
    assert tally.left_out == {"junction": 3, "locus without encoder": 10}


def test_mistakes_are_told(tmp_path):
    """A wrong source, a missing column, a file of another kind and an empty corpus are errors."""
    path = write_table(tmp_path / "chains.parquet", make_chains(10, "TRB", 5))
    with pytest.raises(InputError, match="'nowhere'"):
        read_corpus(CorpusOptions((path,), excluded_sources=frozenset({"nowhere"})), VOCABULARY)
    with pytest.raises(InputError, match="no column 'junction_aa_tra'"):
        read_corpus(CorpusOptions((), (path,)), VOCABULARY)
    with pytest.raises(InputError, match="no chain is left"):
        read_corpus(CorpusOptions((path,), excluded_sources=frozenset({"here"})), VOCABULARY)
    other = write_table(tmp_path / "other.parquet", {"name": ["x"]})
    with pytest.raises(InputError, match="no column 'junction_aa'"):
        read_corpus(CorpusOptions((path,), withheld=(other,)), VOCABULARY)
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot be read"):
        read_corpus(CorpusOptions((tmp_path / "text.parquet",)), VOCABULARY)
    with pytest.raises(InputError, match="cannot be read"):
        read_corpus(CorpusOptions((tmp_path / "absent.parquet",)), VOCABULARY)


def test_airr_rearrangements_are_read_as_text(tmp_path):
    """A bulk AIRR table, gzip or plain: alleles and further genes are cut, unproductive rows are no data."""
    betas = make_chains(60, "TRB", 5)
    rows = pd.DataFrame(betas).drop(columns=["locus", "has_epitope_label", "source"])
    rows["v_call"] = [None if gene is None else f"{gene}*01,{gene}*02" for gene in rows["v_call"]]
    rows["productive"] = ["F"] * 10 + ["T"] * 40 + [""] * 10
    rows["duplicate_count"] = 1
    rows.to_csv(tmp_path / "bulk.tsv.gz", sep="\t", index=False)
    plain = write_table(tmp_path / "same.parquet", {name: values[10:] for name, values in betas.items()})
    found, same = (everything(CorpusOptions((path,))) for path in (tmp_path / "bulk.tsv.gz", plain))
    assert found == same


def test_a_text_without_its_columns_is_refused(tmp_path):
    """The column that an AIRR table lacks is named."""
    (tmp_path / "bulk.tsv").write_text("junction_aa\tj_call\nCASSF\tTRBJ1-1\n")
    with pytest.raises(InputError, match="no column 'locus'"):
        read_corpus(CorpusOptions((tmp_path / "bulk.tsv",)), VOCABULARY)
