"""The sections count what the files hold: each number is recounted here from the raw frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

from step_outputs import StepFrames, make_step_frames
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.predictions import CLONOTYPES, PREDICTIONS
from tcellflow.contracts.qc import Qc
from tcellflow.contracts.tables import CHAINS, RECEPTORS
from tcellflow.report.inputs import ReportInputs
from tcellflow.report.sections.clones import ClusterSummary, summarise_clones
from tcellflow.report.sections.quality import summarise_quality
from tcellflow.report.sections.receptors import summarise_receptors
from tcellflow.report.sections.states import summarise_calls
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from tcellflow.contracts.columns import Table


def _table(frame: pd.DataFrame, contract: Table) -> pa.Table:
    return pa.Table.from_pandas(frame, contract.schema(optional=frame.columns), preserve_index=False)


def _qc(frames: StepFrames, **changes: object) -> Qc:
    return Qc.model_validate({**frames.qc, **changes})


def _inputs(frames: StepFrames) -> ReportInputs:
    return ReportInputs(
        qc=_qc(frames),
        chains=_table(frames.chains, CHAINS),
        receptors=_table(frames.receptors, RECEPTORS),
        predictions=_table(frames.predictions, PREDICTIONS),
        clonotypes=_table(frames.clonotypes, CLONOTYPES),
    )


@pytest.fixture(scope="module")
def frames() -> StepFrames:
    return make_step_frames(400, seed=3)


@pytest.fixture(scope="module")
def cells(frames: StepFrames) -> pd.DataFrame:
    return frames.predictions


def test_states_add_up_to_the_t_cells(frames: StepFrames, cells: pd.DataFrame) -> None:
    """Reported and unresolved cells are the T cells, and each state has its own count."""
    calls = summarise_calls(_table(cells, PREDICTIONS))
    assert calls.n_cells == 400
    assert calls.n_t_cells == int(cells["is_t_cell"].sum())
    assert sum(row.n_cells for row in calls.states) == calls.n_reported
    assert calls.n_reported + calls.n_unresolved == calls.n_t_cells
    for row in calls.states:
        assert row.n_cells == (cells["state"] == row.state).sum()


def test_evidence_stands_beside_each_state(cells: pd.DataFrame) -> None:
    """Silver and marker classes are told from gated ones, with their meaning."""
    rows = {row.state: row for row in summarise_calls(_table(cells, PREDICTIONS)).states}
    assert rows[State.EXHAUSTED].evidence == "teacher"
    assert "silver" in rows[State.EXHAUSTED].meaning
    assert not rows[State.PROLIFERATING].is_strong
    assert rows[State.NAIVE].is_strong


def test_a_state_without_cells_claims_no_evidence(frames: StepFrames, cells: pd.DataFrame) -> None:
    """Where no cell shows a class, its evidence comes from the bundle's list or stays open."""
    only = _table(cells.loc[cells["predicted_state"] == State.NAIVE], PREDICTIONS)
    rows = {row.state: row for row in summarise_calls(only).states}
    assert rows[State.TREG].evidence is None
    assert rows[State.TREG].n_cells == 0
    bundle = {**frames.metrics["bundle"], "evidence": {"Treg": "author"}}
    metrics = Metrics.model_validate({**frames.metrics, "bundle": bundle})
    rows = {row.state: row for row in summarise_calls(only, metrics).states}
    assert rows[State.TREG].evidence == "author"
    assert rows[State.EXHAUSTED].evidence is None


def test_metrics_tell_threshold_and_finest_classes(frames: StepFrames) -> None:
    """The threshold of the calls is drawn, and the bundle's finest classes are listed."""
    calls = summarise_calls(_table(frames.predictions, PREDICTIONS), Metrics.model_validate(frames.metrics))
    assert (calls.abstention.threshold, calls.abstention.dataset) == (0.5, "pbmc")
    assert calls.confidence.histogram.thresholds[0].value == 0.5
    assert calls.classes == (("CD4 Tn", 20), ("MAIT", 4))
    assert calls.inputs[0][0] == "expression, alpha chain, beta chain"


def test_reasons_count_every_abstained_cell(cells: pd.DataFrame) -> None:
    """Each abstained cell has its reason counted once."""
    calls = summarise_calls(_table(cells, PREDICTIONS))
    assert sum(row.n_cells for row in calls.reasons) == int(cells["abstained"].sum())
    assert {row.reason for row in calls.reasons} == {"low confidence", "not a T cell"}


def test_confidence_covers_unresolved_t_cells_only(cells: pd.DataFrame) -> None:
    """Mean, shares and histogram are over T cells, unresolved ones included, others not."""
    confidence = summarise_calls(_table(cells, PREDICTIONS)).confidence
    values = cells.loc[cells["is_t_cell"], "confidence"].astype("float32")
    assert confidence.n_cells == len(values)
    assert confidence.mean == pytest.approx(values.mean(), abs=1e-6)
    assert confidence.n_high == (values > 0.9).sum()
    assert confidence.n_low == (values < 0.5).sum()
    assert confidence.histogram.total == len(values)
    assert sum(row.n_cells for row in confidence.rows) == len(values)
    assert confidence.agreement is None


def test_confidence_of_one_lands_in_the_last_bin(cells: pd.DataFrame) -> None:
    """A probability of exactly 1 is not lost at the edge."""
    sure = cells.assign(confidence=1.0, model_agreement=1.0)
    confidence = summarise_calls(_table(sure, PREDICTIONS)).confidence
    assert confidence.histogram.counts[-1] == confidence.n_cells
    assert confidence.agreement is not None
    assert confidence.agreement.counts[-1] == confidence.n_cells


def test_least_sure_cells_come_with_their_second_choice(cells: pd.DataFrame) -> None:
    """The 20 lowest confidences, lowest first, each with the runner-up of the seven probabilities."""
    least = summarise_calls(_table(cells, PREDICTIONS)).confidence.least_sure
    passed = cells.loc[cells["is_t_cell"]].sort_values("confidence", kind="stable").head(20)
    assert [cell.barcode for cell in least] == list(passed["barcode"])
    for cell, (_, row) in zip(least, passed.iterrows(), strict=True):
        ranked = sorted(State, key=lambda s: -row[f"prob_{s}"])
        assert (cell.first, cell.second) == (ranked[0], ranked[1])
        assert cell.p_first == pytest.approx(row[f"prob_{ranked[0]}"], abs=1e-6)
        assert cell.confidence == pytest.approx(row["confidence"], abs=1e-6)
        assert cell.p_second == pytest.approx(row[f"prob_{ranked[1]}"], abs=1e-6)
        assert cell.outcome == "unresolved: low confidence"


def test_lineage_and_function_cross_all_reported_cells(cells: pd.DataFrame) -> None:
    """Every reported cell is in exactly one field of the table; missing functions have their column."""
    holes = cells.assign(function=cells["function"].where(cells.index % 3 != 0, None))
    axes = summarise_calls(_table(holes, PREDICTIONS)).axes
    reported = holes.loc[holes["state"].isin(list(State))]
    assert sum(sum(numbers) for _, numbers in axes.rows) == sum(axes.totals) == len(reported)
    column = axes.functions.index("not called")
    assert axes.totals[column] == reported["function"].isna().sum()
    assert axes.largest == max(n for _, numbers in axes.rows for n in numbers)


def test_gene_usage_counts_cells_once(frames: StepFrames) -> None:
    """Second chains of a cell do not count; unknown genes are counted apart."""
    extra = frames.chains.loc[frames.chains["locus"] == "TRB"].assign(rank=2, v_call="TRBV99")
    chains = pd.concat([frames.chains, extra], ignore_index=True)
    section = summarise_receptors(replace(_inputs(frames), chains=_table(chains, CHAINS)))
    assert section is not None
    usage = {u.name: u for u in section.usages}["TRBV"]
    beta = frames.chains.loc[frames.chains["locus"] == "TRB", "v_call"]
    assert usage.n_cells == beta.notna().sum()
    assert usage.n_unknown == beta.isna().sum()
    assert dict(usage.top) == beta.value_counts().to_dict()


def test_gamma_delta_genes_appear_only_where_they_occur(frames: StepFrames) -> None:
    """A sample without gamma-delta chains shows no empty TRGV table; one with them does."""
    plain = summarise_receptors(_inputs(frames))
    delta = frames.chains.assign(locus=frames.chains["locus"].replace("TRB", "TRD"))
    mixed = summarise_receptors(replace(_inputs(frames), chains=_table(delta, CHAINS)))
    assert plain is not None
    assert mixed is not None
    assert [u.name for u in plain.usages] == ["TRAV", "TRAJ", "TRBV", "TRBJ"]
    assert "TRDV" in [u.name for u in mixed.usages]


def test_pairing_comes_from_the_table_or_else_from_qc(frames: StepFrames) -> None:
    """Table and qc.json give the same pairing; without both there is none."""
    inputs = _inputs(frames)
    by_table = summarise_receptors(inputs)
    by_qc = summarise_receptors(replace(inputs, receptors=None))
    assert by_table is not None
    assert by_qc is not None
    assert by_table.pairings == by_qc.pairings
    assert by_table.n_paired == by_qc.n_paired == int(frames.receptors["has_tra"].sum())
    assert by_table.n_cells == by_qc.n_cells == 400
    assert summarise_receptors(ReportInputs(predictions=inputs.predictions)) is None


def test_genes_per_state_join_chains_with_calls(frames: StepFrames) -> None:
    """The five most used genes of a state are counted over that state's cells only."""
    section = summarise_receptors(_inputs(frames))
    assert section is not None
    rows = {row.state: row for row in section.by_state}
    naive = set(frames.predictions.loc[frames.predictions["state"] == State.NAIVE, "barcode"])
    beta = frames.chains.loc[(frames.chains["locus"] == "TRB") & frames.chains["cell_id"].isin(naive)]
    usage = {u.name: u for u in rows[State.NAIVE].usages}["TRBJ"]
    assert dict(usage.top) == beta["j_call"].value_counts().head(5).to_dict()
    assert rows["all cells"].n_cells == 400


def test_contigs_that_do_not_add_up_are_shown(frames: StepFrames) -> None:
    """Contigs neither kept nor dropped for a reason are reported as such, not hidden."""
    contigs = {"read": 100, "kept": 60, "dropped": {"x": 30}}
    qc = _qc(frames, receptors={**frames.qc["receptors"], "contigs": contigs})
    section = summarise_receptors(ReportInputs(qc=qc))
    assert section is not None
    assert section.contigs is not None
    assert section.contigs.unexplained == 10


def test_quality_reads_cells_and_thresholds(frames: StepFrames) -> None:
    """Removal reasons and distributions are shown with the options that cut them."""
    section = summarise_quality(_qc(frames))
    assert section is not None
    assert (section.n_input, section.n_kept, section.unexplained) == (420, 400, 0)
    assert section.counts_kind == "raw counts"
    assert section.removed == (
        ("fewer than 200 genes", 14),
        ("more than 20 % mitochondrial counts", 6),
        ("fewer than 500 counts", 0),
    )
    genes, mito = section.histograms[1:]
    assert (genes.thresholds[0].value, mito.thresholds[0].value) == (200.0, 20.0)


def test_quality_of_receptors_alone_has_unknowns(frames: StepFrames) -> None:
    """A qc.json of a run without expression gives a section of unknowns, never of zeros."""
    alone = {key: frames.qc[key] for key in ("sample_id", "receptors", "warnings", "tcellflow")}
    section = summarise_quality(Qc.model_validate(alone))
    assert section is not None
    assert (section.n_input, section.n_kept, section.unexplained) == (None, None, 0)
    assert (section.n_t_cells, section.counts_kind, section.removed) == (None, "", ())
    assert section.histograms == section.facts == ()
    assert summarise_quality(None) is None


def test_clone_sizes_cover_all_cells(frames: StepFrames) -> None:
    """Size classes add up to all clones and all their cells."""
    section = summarise_clones(_inputs(frames))
    assert section is not None
    sizes = frames.predictions["clone_id"].value_counts()
    assert sum(row.n_clones for row in section.sizes) == section.n_clones == len(sizes)
    assert sum(row.n_cells for row in section.sizes) == section.n_cells == 400
    assert section.n_expanded == (sizes > 1).sum()


def test_largest_clones_name_receptor_and_states(frames: StepFrames) -> None:
    """The largest clones come first, with CDR3, genes, lineage, state, purity and entropy."""
    section = summarise_clones(_inputs(frames))
    assert section is not None
    first, row = section.largest[0], frames.clonotypes.sort_values("n_cells").iloc[-1]
    assert len(section.largest) == min(20, section.n_expanded)
    assert min(clone.n_cells for clone in section.largest) > 1
    assert (first.clone_id, first.n_cells) == (row["clone_id"], row["n_cells"])
    assert first.purity == pytest.approx(row["purity"], abs=1e-6)
    assert (first.lineage, first.state_mode) == ("CD8", row["state_mode"])
    members = frames.receptors.loc[frames.receptors["clone_id"] == row["clone_id"], "cell_id"]
    own = frames.chains.loc[frames.chains["cell_id"].isin(members) & (frames.chains["locus"] == "TRB")]
    assert first.vdj is not None
    assert first.vdj.junction_aa == own["junction_aa"].mode()[0]
    assert first.vdj.j_call == own["j_call"].mode()[0]


def test_clones_of_one_size_go_by_name(frames: StepFrames) -> None:
    """Which clones are shown, and in which order, depends on no order of rows."""
    shuffled = frames.clonotypes.assign(n_cells=5).sample(frac=1, random_state=3)
    section = summarise_clones(_inputs(replace(frames, clonotypes=shuffled)))
    assert section is not None
    shown = [row.clone_id for row in section.largest]
    assert shown == sorted(frames.clonotypes["clone_id"])[: len(shown)]
    assert len(shown) > 1


def test_clusters_of_similar_receptors_are_counted_by_clones(frames: StepFrames) -> None:
    """Clusters count where two or more clones share one; without clusters nothing is said."""
    assert summarise_clones(_inputs(frames)).clusters is None
    names = [f"{min(i, 3):020x}" if i < 6 else f"{i:020x}" for i in range(len(frames.clonotypes))]
    clusters = {"receptor_cluster": names, "receptor_cluster_size": 1}
    with_clusters = replace(frames, clonotypes=frames.clonotypes.assign(**clusters))
    found = summarise_clones(_inputs(with_clusters)).clusters
    n_cells = int(frames.clonotypes["n_cells"].iloc[3:6].sum())
    assert found == ClusterSummary(n_clusters=1, n_clones=3, n_cells=n_cells, largest_clones=3)


def test_clones_without_predictions_have_sizes_only(frames: StepFrames) -> None:
    """Receptors alone give clone sizes, without states and without inventing any."""
    section = summarise_clones(replace(_inputs(frames), clonotypes=None, predictions=None))
    assert section is not None
    assert not section.has_states
    assert section.largest[0].purity is None
    assert section.largest[0].n_cells == frames.receptors["clone_id"].value_counts().iloc[0]
    assert summarise_clones(ReportInputs(qc=_qc(frames))) is None


def test_row_order_does_not_change_tables(frames: StepFrames) -> None:
    """Shuffled tables give the same clones, genes and counts."""
    mixed = StepFrames(
        chains=frames.chains.sample(frac=1, random_state=1),
        receptors=frames.receptors.sample(frac=1, random_state=2),
        predictions=frames.predictions.sample(frac=1, random_state=3),
        clonotypes=frames.clonotypes.sample(frac=1, random_state=4),
        qc=frames.qc,
        metrics=frames.metrics,
    )
    assert summarise_clones(_inputs(mixed)) == summarise_clones(_inputs(frames))
    assert summarise_receptors(_inputs(mixed)) == summarise_receptors(_inputs(frames))


def test_no_cells_make_empty_sections() -> None:
    """A sample without cells gives sections of zeros."""
    inputs = _inputs(make_step_frames(0))
    assert inputs.predictions is not None
    calls = summarise_calls(inputs.predictions)
    assert (calls.n_cells, calls.n_reported, calls.confidence.mean) == (0, 0, None)
    assert calls.confidence.least_sure == calls.axes.rows == ()
    clones, receptors = summarise_clones(inputs), summarise_receptors(inputs)
    assert clones is not None
    assert receptors is not None
    assert (clones.n_clones, clones.sizes) == (0, ())
    assert receptors.n_chains == 0


def test_empty_bins_at_the_ends_are_left_out(frames: StepFrames) -> None:
    """A histogram starts and ends near its cells, but never hides a threshold."""
    counts = [0, 0, 0, 5, 9, 0, 0, 0, 0, 0]
    edges = [float(e) for e in range(0, 101, 10)]
    asked = {**frames.qc["cells"]["thresholds"], "max_pct_mt": 75.0}
    qc = _qc(
        frames,
        cells={**frames.qc["cells"], "thresholds": asked},
        distributions={"pct_counts_mt": {"edges": edges, "counts": counts}},
    )
    section = summarise_quality(qc)
    assert section is not None
    (drawn,) = section.histograms
    assert (drawn.edges[0], drawn.edges[-1]) == (20.0, 90.0)
    assert drawn.total == 14


def test_gene_levels_and_names_are_told(frames: StepFrames) -> None:
    """Fallbacks of gene names, restored anchors and chains without a vector reach the page."""
    section = summarise_receptors(_inputs(frames))
    assert section is not None
    assert [(row.level, row.n_v, row.n_j) for row in section.levels] == [
        ("gene", 799, 800),
        ("family only", 1, 0),
    ]
    rows = dict(section.facts[0].rows)
    assert rows["V genes spelt differently, renamed"] == "5"
    assert rows["CDR3 with anchors restored from the germline"] == "3"
    assert rows["no vector: CDR3 without its anchors"] == "1"
    assert dict(section.facts[1].rows)["cells with both"] == "400"


def test_small_print_hides_no_unknown_entry(frames: StepFrames) -> None:
    """Reasons and signs that have no words here are shown under their own key."""
    gate = {**frames.qc["gate"], "evidence": {"both": 3, "hunch": 2}, "doublet_signs": {"novel_sign": 7}}
    section = summarise_quality(_qc(frames, gate=gate))
    assert section is not None
    facts = {group.title: group.rows for group in section.facts}
    assert ("hunch", "2") in facts["T-cell gate"]
    assert ("doublet sign: novel sign", "7") in facts["T-cell gate"]
    assert ("markers measured", "114") in facts["T-cell gate"]
    rows = dict(facts["Gene names"])
    assert "with a genome prefix, cut off" not in rows
    assert rows["genes"] == "36,601 in the file, 36,592 after summing"
    assert rows["older names, renamed"] == "1,850 (such as MARCH1 -> MARCHF1)"
    assert "names that no table knows, kept" not in rows
