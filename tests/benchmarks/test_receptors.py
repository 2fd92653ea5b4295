"""The scripts that judge the receptor encoder run on tiny data, and find what lies in them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from receptor_corpora import make_chains, make_pairs, write_table
from recipes.datasets.receptor_groups import group_receptors, join_near
from recipes.datasets.receptors import read_background
from tcellflow.models.configurations import ReceptorEncoderConfig
from tcellflow.training.options import LoopOptions
from tcellflow.training.receptors.options import CorpusOptions, ReceptorTaskOptions, TrainReceptorsOptions
from tcellflow.training.receptors.train import train_receptors

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = "CD39_HGSC_10x"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder like the real one, in which each epitope has genes and a motif of its own."""
    folder = tmp_path_factory.mktemp("data")
    corpus = folder / "tcr_corpus"
    corpus.mkdir()
    for name, locus, seed in (
        ("trb_human", "TRB", 1),
        ("tra_human", "TRA", 2),
        ("tra_olga_synthetic", "TRA", 3),
    ):
        write_table(corpus / f"{name}.parquet", make_chains(3_000, locus, seed, "TCREmbedding_unique_filt"))
    write_table(corpus / "paired_human.parquet", make_pairs(3_000, 10), make_pairs(2_100, 20, HELD_OUT))
    labelled = pd.concat([_see_epitope(number, 120) for number in range(3)], ignore_index=True)
    labelled.assign(is_10x_dextramer_ref=False).to_parquet(corpus / "epitope_human.parquet")
    positives = labelled.assign(y=np.int8(1))
    others = positives.assign(
        epitope=positives["epitope"].map({"E0": "E1", "E1": "E2", "E2": "E0"}), y=np.int8(0)
    )
    controls = pd.DataFrame(make_pairs(60, 30)).drop(columns=["source", "has_epitope_label"])
    controls = pd.concat([controls.assign(epitope=f"E{n}", y=np.int8(0)) for n in range(3)])
    pd.concat([positives, others, controls]).to_parquet(corpus / "immrep22_train.parquet")
    _write_clones(folder)
    _write_contigs(folder)
    return folder


def _see_epitope(number, receptors):
    table = pd.DataFrame(make_pairs(receptors, 100 + 10 * number)).drop(
        columns=["source", "has_epitope_label"]
    )
    motif = ("WHW", "MFM", "ICI")[number]
    for arm, genes in (("tra", ("TRAV27", "TRAJ42")), ("trb", ("TRBV19", "TRBJ2-7"))):
        name = f"junction_aa_{arm}"
        table[name] = table[name].str[:4] + motif + table[name].str[4:]
        table[f"v_call_{arm}"], table[f"j_call_{arm}"] = genes
    return table.assign(epitope=f"E{number}")


def _write_clones(folder):
    pairs = pd.DataFrame(make_pairs(600, 40))
    is_naive = np.arange(600) % 2 == 0
    cells = pd.DataFrame({"donor": np.resize(["donor1", "donor2", "donor3"], 600), "n_TRA": 1, "n_TRB": 1})
    for locus, arm in (("TRA", "tra"), ("TRB", "trb")):
        junction = pairs[f"junction_aa_{arm}"]
        cells[f"{locus}_cdr3_aa"] = junction.where(~is_naive, junction.str[:3] + "WWW" + junction.str[3:])
        cells[f"{locus}_cdr3_nt"] = cells[f"{locus}_cdr3_aa"]
    cells["label7"] = np.where(is_naive, "naive", "memory")
    cells = pd.concat([cells, cells])
    (folder / "tcr_adt_10x_dextramer_cd8").mkdir()
    cells.to_parquet(folder / "tcr_adt_10x_dextramer_cd8" / "cells.parquet")


def _write_contigs(folder):
    chains = [pd.DataFrame(make_chains(100, locus, seed)) for seed, locus in enumerate(("TRA", "TRB"), 50)]
    names = {"locus": "chain", "junction_aa": "cdr3", "v_call": "v_gene", "j_call": "j_gene"}
    table = pd.concat(chains).rename(columns=names).assign(productive="True")
    (folder / "screp_ards").mkdir()
    table.to_csv(folder / "screp_ards" / "filtered_contig_annotations.all8.csv.gz", index=False)


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory):
    corpus = data / "tcr_corpus"
    options = CorpusOptions(
        chains=tuple(corpus / f"{name}.parquet" for name in ("trb_human", "tra_human")),
        pairs=(corpus / "paired_human.parquet",),
        withheld=(corpus / "epitope_human.parquet",),
    )
    task = ReceptorTaskOptions(
        network=ReceptorEncoderConfig(width=16, layers=1, heads=2, feed_forward=16, dimension=16),
        batch_size=32,
    )
    loop = LoopOptions(steps=2, validate_every=2, device="cpu")
    return train_receptors(TrainReceptorsOptions(options, tmp_path_factory.mktemp("run"), task, loop)).folder


def run_script(name, data, bundle, output, *options):
    command = [sys.executable, "-m", f"benchmarks.receptors.{name}"]
    command += ["--data", str(data), "--bundle", str(bundle), "--output", str(output), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=500, cwd=ROOT)
    return json.loads(output.read_text("utf-8"))


def test_few_shot_retrieval_finds_a_motif_by_every_row_that_reads_junctions(data, bundle, tmp_path):
    figures = run_script(
        "few_shot", data, bundle, tmp_path / "f.json",
        "--kinds", "pairs", "TRB", "--epitopes", "all", "--draws", "3", "--without-sceptr",
    )  # fmt: skip
    for kind in ("pairs", "TRB"):
        for row in ("Levenshtein", "TCRdist-like", "1-3-mers (cosine)"):
            assert figures[f"{kind} AUROC"][row]["20"][0] > 0.8
        # all epitopes have the same genes: these tell them from unlabelled receptors, not from each other
        assert figures[f"{kind} 1-NN accuracy"]["V and J alone"]["20"][0] == pytest.approx(1 / 3, abs=0.02)


def test_immrep_tells_both_kinds_of_negatives_apart(data, bundle, tmp_path):
    figures = run_script("immrep", data, bundle, tmp_path / "i.json", "--without-sceptr")
    genes = figures["V and J alone"]
    assert genes["AUROC, other epitopes"][0] == pytest.approx(0.5)
    assert genes["AUROC, controls"][0] > 0.8
    assert figures["TCRdist-like"]["AUROC, other epitopes"][0] > 0.8


def test_the_state_of_clones_is_learnt_from_the_other_donors(data, bundle, tmp_path):
    figures = run_script("states", data, bundle, tmp_path / "s.json")
    assert figures["1-3-mers"]["AUROC"]["mean"][0] > 0.95
    assert figures["majority"]["AUROC"]["mean"][0] == 0.5


def test_hidden_residues_are_asked_of_every_row(data, bundle, tmp_path):
    figures = run_script("residues", data, bundle, tmp_path / "r.json")
    for part in ("TRB centre", "TRB ends", "TRA centre", "TRA ends"):
        assert all(0 <= row["accuracy"][0] <= 1 for row in figures[part].values())
    # between its anchors a junction made here starts with A and ends with Y
    assert figures["TRB ends"]["position and length"]["accuracy"][0] > 2 * 1 / 14


def test_no_vector_depends_on_its_batch_order_or_threads(data, bundle, tmp_path):
    figures = run_script("invariance", data, bundle, tmp_path / "v.json", "--chains", "200")
    assert max(figures.values()) <= 1e-5


def test_speed_is_told_beside_tcr_bert_and_with_what_deduplication_gains(data, bundle, tmp_path):
    """One peer and one set: the others differ by a word, and each process imports torch anew."""
    figures = run_script(
        "speed", data, bundle, tmp_path / "t.json", "--chains", "50", "--peer-chains", "2", "--pairs", "1",
        "--parts", "upstream", "dextramer",
    )  # fmt: skip
    assert figures["upstream"]["ratio_per_junction"]["median"] > 1
    # every clone of the made data has two cells
    assert figures["dextramer"]["chains"] == 2 * figures["dextramer"]["distinct"]


def test_peers_learn_from_as_many_chains_as_are_asked_for(data):
    assert len(read_background(data, "TRA", 2_500)) == 2_500


def test_near_junctions_are_those_one_edit_apart():
    junctions = ["CASSF", "CAASF", "CASF", "CWWWWF", "CASSSF", "CAASSSF"]
    near = join_near(junctions).toarray() > 0
    expected = {(0, 1), (0, 2), (1, 2), (0, 4), (4, 5)}
    found = {(i, j) for i, j in zip(*np.nonzero(near), strict=True) if i < j}
    assert found == expected
    betas = np.array(["CASSF", "CASSF", "CASSF"], object)
    alphas = np.array(["CAAAF", "CAAF", "CWWWWWF"], object)
    groups = group_receptors([alphas, betas])
    assert groups[0] == groups[1] != groups[2]
