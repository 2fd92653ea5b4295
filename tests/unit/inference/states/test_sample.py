"""A sample's calls: what looks at the whole sample stands beside the calls and changes none unasked."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from made_calls import facts_of
from state_bundles import DIMENSION, GENES, REFERENCE_ENTRY, write_states_bundle
from tcellflow.contracts.predictions import CLONOTYPES, GENE_EVIDENCE, PREDICTIONS
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.errors import InputError, OptionsError
from tcellflow.inference.states.account import summarise_predictions
from tcellflow.inference.states.clones import tabulate_clonotypes
from tcellflow.inference.states.evidence_table import count_genes, list_frequent_genes, tabulate_gene_evidence
from tcellflow.inference.states.options import CallOptions
from tcellflow.inference.states.outlook import MANY_UNRESOLVED, preview_risks, tell_outlook
from tcellflow.inference.states.prediction_table import tabulate_predictions
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sample import call_sample
from tcellflow.inference.states.sources import CellFacts, MatrixCells
from tcellflow.io.tables.receptor_vectors import ReceptorVectors
from tcellflow.io.tables.vector_scratch import VectorScratch
from tcellflow.vocabulary import State

N_CELLS = 1_500  # more than one block
SETS = [{"coverage": 0.9, "least_probability": 0.1}]
EVERYTHING = CallOptions(target_risk=0.1, set_coverage=0.9, correct_priors=True, pool_lineage=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "whole"
    reference = {**REFERENCE_ENTRY, "ood_quantiles": [0.0, 8.0, 16.0]}
    return write_states_bundle(
        folder, with_receptors=True, with_ood=True, n_members=3, conformal=SETS, reference=reference
    )


@pytest.fixture(scope="module")
def predictor(bundle):
    return StatePredictor(bundle, threads=1, device="cpu")


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    matrix = rng.uniform(0, 2, (N_CELLS, len(GENES) + 3)).astype(np.float32)
    matrix[: N_CELLS // 2, 0] += 1  # many Effector cells
    matrix[7] = 0
    return MatrixCells(sparse.csr_matrix(matrix), np.array(["X1", *GENES, "X2", "X3"], dtype=object))


@pytest.fixture(scope="module")
def facts():
    return CellFacts(
        cell_id=np.array([f"c{i}" for i in range(N_CELLS)], dtype=object),
        donor=np.full(N_CELLS, "d1", dtype=object),
        clone_id=np.array([f"k{i % 40}" if i % 3 else None for i in range(N_CELLS)], dtype=object),
        is_t_cell=np.arange(N_CELLS) != 3,
        is_doublet=np.arange(N_CELLS) == 5,
    )


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    rng = np.random.default_rng(1)
    with VectorScratch(tmp_path_factory.mktemp("scratch"), DIMENSION) as scratch:
        scratch.append(rng.normal(0, 2, (30, DIMENSION)).astype(np.float32))
        tra, trb = (rng.integers(-1, 30, N_CELLS) for _ in range(2))
        yield ReceptorVectors(scratch, tra, trb)


@pytest.fixture(scope="module")
def everything(predictor, source, facts, vectors):
    return call_sample(predictor, source, facts, EVERYTHING, vectors=vectors)


def test_tables_of_everything_keep_their_contracts(everything, source, vectors):
    """With all options on, every table is valid and has all columns of its contract."""
    sample = everything
    predictions = tabulate_predictions(sample)
    assert find_table_faults(predictions, PREDICTIONS) == []
    former = {"cluster", "state_voted", "vote_share"}  # of version 2
    assert predictions.column_names == [c.name for c in PREDICTIONS.columns if c.name not in former]
    clones = tabulate_clonotypes(sample.clones, sample.facts.donor, sample.calls, sample.verdicts)
    assert find_table_faults(clones, CLONOTYPES) == []
    pieces = list(tabulate_gene_evidence(sample, source, n_genes=2, vectors=vectors))
    assert len(pieces) == 2
    for piece in pieces:
        assert find_table_faults(piece, GENE_EVIDENCE) == []


def test_columns_not_asked_for_are_absent(predictor, source, facts):
    """Without options the table has the plain columns alone."""
    table = tabulate_predictions(call_sample(predictor, source, facts, CallOptions()))
    assert table.column_names == [column.name for column in PREDICTIONS.columns if not column.optional]


def test_inputs_tell_which_chains_each_call_used(everything, vectors):
    """The modalities are those that the cell has, joined by a plus."""
    both = (vectors.tra >= 0) & (vectors.trb >= 0)
    assert set(everything.inputs[both]) == {"gex+tra+trb"}
    assert set(everything.inputs) == {"gex", "gex+tra", "gex+trb", "gex+tra+trb"}
    counted = summarise_predictions(everything)["inputs"]
    assert counted["gex+tra+trb"] == both.sum()


def test_without_vectors_the_user_is_told(predictor, source, facts):
    """A bundle that could use receptors but gets none calls from expression and says so."""
    sample = call_sample(predictor, source, facts, CallOptions())
    assert set(sample.inputs) == {"gex"}
    assert any("can use receptors" in warning for warning in sample.warnings)


def test_calls_do_not_depend_on_options(predictor, source, facts, vectors, everything):
    """Pooling and sets change no call; the correction keeps the raw calls beside its own."""
    plain = call_sample(predictor, source, facts, CallOptions(), vectors=vectors)
    for field in fields(plain.calls):
        np.testing.assert_array_equal(getattr(plain.calls, field.name), getattr(everything.raw, field.name))
    assert plain.calls is plain.raw
    asked = CallOptions(set_coverage=0.9, pool_lineage=True)
    beside = call_sample(predictor, source, facts, asked, vectors=vectors)
    np.testing.assert_array_equal(beside.verdicts.state, plain.verdicts.state)


def test_the_correction_weighs_the_raw_probabilities(everything):
    """Corrected probabilities are raw ones times the factors, normalised; verdicts follow them."""
    weighed = everything.raw.state_probabilities * everything.correction.weights
    weighed /= weighed.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(everything.calls.state_probabilities, weighed, atol=1e-5)
    low = everything.calls.confidence < everything.rules.threshold
    called = ~everything.verdicts.is_abstained
    assert not (low & called).any()
    table = tabulate_predictions(everything).to_pandas()
    raw = table[[f"prob_raw_{state}" for state in State]].to_numpy()
    np.testing.assert_allclose(raw, everything.raw.state_probabilities, atol=1e-6)


def test_sets_are_of_the_raw_probabilities(everything):
    """The stated coverage was measured without correction, so sets ignore it."""
    first = everything.prediction_sets[0].split("|")
    p = dict(zip([str(s) for s in State], everything.raw.state_probabilities[0], strict=True))
    assert set(first) == {state for state, value in p.items() if value >= 0.1}


def cut(facts, n):
    """The first cells alone."""
    names = ("cell_id", "donor", "clone_id", "is_t_cell", "is_doublet")
    return CellFacts(*(getattr(facts, name)[:n] for name in names))


def test_a_correction_that_is_refused_leaves_all_as_it_was(predictor, facts, source):
    """Too few cells: the calls are the raw ones, and metrics and warnings say why."""
    few = MatrixCells(source.matrix[:100], source.gene_names)
    some = cut(facts, 100)
    sample = call_sample(predictor, few, some, CallOptions(correct_priors=True))
    assert sample.calls is sample.raw
    assert any("at least 200 are needed" in warning for warning in sample.warnings)
    assert summarise_predictions(sample)["prior_correction"]["applied"] is False
    assert "prob_raw_Treg" in tabulate_predictions(sample).column_names


def test_reasons_come_from_flags_expression_and_strangeness(everything):
    """The gate, doublets, empty cells and strange cells abstain with their own reason."""
    reason = everything.verdicts.reason
    assert (reason[3], reason[5], reason[7]) == ("not_t_cell", "doublet", "coverage")
    strange = everything.calls.ood_score > 0.9
    assert strange.any()
    assert set(reason[strange]) <= {"ood", "not_t_cell", "doublet"}
    assert summarise_predictions(everything)["abstained"]["ood"] == (reason == "ood").sum() > 0


def test_metrics_tell_of_shift_and_correction(everything):
    """Metrics list what was done to the sample as a whole."""
    metrics = summarise_predictions(everything)
    assert 0 <= metrics["shift"]["score"] <= 1
    assert metrics["prior_correction"]["applied"] is True
    assert metrics["abstention"]["ood_threshold"] == 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (CallOptions(set_coverage=0.99), "no prediction sets"),
        (CallOptions(target_risk=0.001), "cannot reach a risk"),
        (CallOptions(target_risk=3), "no share above 0"),
    ],
)
def test_what_the_bundle_cannot_do_is_refused(predictor, source, facts, options, words):
    """Promises that the bundle never measured are refused before any cell is called."""
    with pytest.raises(OptionsError, match=words):
        call_sample(predictor, source, facts, options, progress=lambda *_: pytest.fail("work was done"))


def test_shares_need_a_bundle_that_states_them(tmp_path, source, facts):
    """Correction is refused where shares are unknown."""
    plain = write_states_bundle(tmp_path / "plain")
    with pytest.raises(OptionsError, match="does not state the class shares"):
        call_sample(open_cpu(plain), source, facts, CallOptions(correct_priors=True))


def open_cpu(bundle):
    return StatePredictor(bundle, threads=1, device="cpu")


def test_a_sample_of_other_genes_is_refused(predictor, source, facts):
    """Below 25 % of the panel's weight there is no call."""
    other = MatrixCells(
        source.matrix, np.array([f"G{i}" for i in range(source.matrix.shape[1])], dtype=object)
    )
    with pytest.raises(InputError, match="at least 25% are needed"):
        call_sample(predictor, other, facts, CallOptions())


def test_gene_rows_are_of_single_t_cells_alone(everything, source, vectors):
    """Doublets, other cells, strange and empty ones are not asked; rows follow the cells."""
    seen = []
    pieces = tabulate_gene_evidence(
        everything, source, n_genes=2, vectors=vectors, progress=lambda *x: seen.append(x)
    )
    barcodes = [name for piece in pieces for name in piece["barcode"].to_pylist()]
    order = list(dict.fromkeys(barcodes))
    usable = everything.facts.cell_id[everything.verdicts.is_usable]
    assert order == [name for name in usable if name in set(order)]
    assert len(order) > 0.9 * len(usable)
    assert seen[-1] == (N_CELLS, N_CELLS)


def test_no_cells_give_no_gene_rows(predictor, source, facts):
    """An empty sample is called and asked without error."""
    none = MatrixCells(source.matrix[:0], source.gene_names)
    nobody = cut(facts, 0)
    sample = call_sample(predictor, none, nobody, CallOptions(pool_lineage=True, set_coverage=0.9))
    assert tabulate_predictions(sample).num_rows == 0
    assert list(tabulate_gene_evidence(sample, none, n_genes=3)) == []


def test_frequent_genes_are_those_of_most_cells(everything, source, vectors):
    """Over all pieces the genes named in most cells of a state come first, on both sides."""
    pieces = list(tabulate_gene_evidence(everything, source, n_genes=2, vectors=vectors))
    listed = list_frequent_genes([count_genes(piece) for piece in pieces])
    frame = pa.concat_tables(pieces).to_pandas()
    assert list(listed) == [str(s) for s in State if (frame["predicted_state"] == s).any()]
    for state, sides in listed.items():
        for side, genes in sides.items():
            rows = frame[(frame["predicted_state"] == state) & (frame["side"] == side)]
            counts = rows["gene"].value_counts()
            assert len(genes) == min(10, len(counts))
            assert [counts[gene] for gene in genes] == sorted(counts, reverse=True)[:10]
    metrics = summarise_predictions(everything, frequent_genes=listed)
    assert metrics["frequent_genes"] == listed
    assert list_frequent_genes([]) == {}
    assert "frequent_genes" not in summarise_predictions(everything)


def test_risks_are_previewed_as_they_would_come_out(predictor, source, facts):
    """The previewed share at a risk is that of a run at that risk; risks out of reach are left out."""
    sample = call_sample(predictor, source, facts, CallOptions(target_risk=0.05))
    previewed = preview_risks(sample)
    assert set(previewed) == {0.05, 0.1, 0.15, 0.2, 0.3}
    for risk in (0.05, 0.1, 0.3):
        other = call_sample(predictor, source, facts, CallOptions(target_risk=risk))
        assert previewed[risk] == pytest.approx((other.verdicts.state == "Unresolved").sum() / (N_CELLS - 1))


def test_one_line_tells_what_was_called_and_what_would_bring_more(predictor, source, facts):
    """Where many T cells have no state, the line says how many would have none at other risks."""
    sample = call_sample(predictor, source, facts, CallOptions(target_risk=0.05))
    line = tell_outlook(sample)
    n_unresolved = int((sample.verdicts.state == "Unresolved").sum())
    assert line.startswith(f"{N_CELLS - 1:,} T cells: ")
    assert f"{n_unresolved:,} (" in line
    assert ("(--target-risk:" in line) == (n_unresolved / (N_CELLS - 1) > MANY_UNRESOLVED)
    empty = MatrixCells(sparse.csr_matrix((0, len(GENES)), dtype=np.float32), np.array(GENES, dtype=object))
    nothing = call_sample(predictor, empty, facts_of(0)[0], CallOptions())
    assert tell_outlook(nothing) == "0 T cells: none with a state"
    assert preview_risks(nothing) == {}
