"""The T-cell gate and the signs of doublets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from factories import make_counts
from tcellflow.cells.gate import (
    _LINEAGES,
    DoubletSign,
    GateResult,
    TCellEvidence,
    _find_doublet_signs,
    _Programmes,
    gate_cells,
)
from tcellflow.cells.markers import CORE_T_GENES, GATE_GENES, PROGRAMMES, CellLineage, find_markers
from tcellflow.errors import InputError
from tcellflow.genes.reference import read_gene_reference
from tcellflow.vocabulary import ChainPairing

T_CELL = {"CD3D": 4, "CD3E": 3, "TRAC": 3, "IL7R": 1}
B_CELL = {"MS4A1": 5, "CD79A": 9, "CD79B": 8}
MONOCYTE = {"LYZ": 40, "S100A8": 15, "S100A9": 25, "CST3": 15, "TYROBP": 12, "FCN1": 6, "LST1": 5, "AIF1": 6}
NK_CELL = {"TYROBP": 7, "FCER1G": 6, "KLRF1": 2, "CLIC3": 4, "SPON2": 3, "FCGR3A": 3}


def gate(
    *cells: dict[str, int],
    total: int = 3000,
    receptor: bool = False,
    pairing: str | None = None,
    missing: tuple[str, ...] = (),
) -> GateResult:
    """Gate cells given as marker counts."""
    markers = np.array([[cell.get(gene, 0) for gene in GATE_GENES] for cell in cells], dtype=np.float32)
    present = np.array([gene not in missing for gene in GATE_GENES])
    markers[:, ~present] = 0
    n = len(cells)
    pairings = None if pairing is None else np.full(n, pairing, dtype=object)
    return gate_cells(markers, present, np.full(n, total), np.full(n, receptor), pairings)


@pytest.mark.parametrize(
    ("cell", "receptor", "is_t", "evidence"),
    [
        (T_CELL, False, True, TCellEvidence.GENES),
        (T_CELL, True, True, TCellEvidence.BOTH),
        ({}, True, True, TCellEvidence.RECEPTOR),
        ({}, False, False, TCellEvidence.NONE),
        (B_CELL, False, False, TCellEvidence.AGAINST),
        (MONOCYTE, False, False, TCellEvidence.AGAINST),
        (NK_CELL, False, False, TCellEvidence.AGAINST),
        (MONOCYTE, True, False, TCellEvidence.AGAINST),
        (B_CELL, True, False, TCellEvidence.AGAINST),
        ({"JCHAIN": 30, "IGKC": 90, "MZB1": 12}, False, False, TCellEvidence.AGAINST),
        ({"PPBP": 100, "PF4": 30}, False, False, TCellEvidence.AGAINST),
        ({"HBB": 300, "HBA1": 100, "HBA2": 150}, False, False, TCellEvidence.AGAINST),
        ({"COL1A1": 20, "COL1A2": 10, "DCN": 10}, False, False, TCellEvidence.AGAINST),
    ],
)
def test_verdicts(cell: dict[str, int], receptor: bool, is_t: bool, evidence: TCellEvidence) -> None:
    """Typical cells of each lineage, with and without a receptor, get the expected verdict."""
    result = gate(cell, receptor=receptor)
    assert result.is_t_cell.tolist() == [is_t]
    assert result.t_cell_evidence.tolist() == [evidence]


def test_the_other_lineage_is_named() -> None:
    """A cell judged to be of another lineage says of which; others stay empty."""
    result = gate(B_CELL, MONOCYTE, NK_CELL, T_CELL, {})
    assert result.other_lineage.tolist() == [CellLineage.B, CellLineage.MONOCYTE, CellLineage.NK, "", ""]


def test_ambient_molecules_of_abundant_genes_do_no_harm() -> None:
    """A few molecules of LYZ, S100A9, HBB, IGKC and PPBP do not turn a T cell into something else."""
    ambient = {"LYZ": 3, "S100A8": 2, "S100A9": 2, "HBB": 5, "IGKC": 4, "PPBP": 2, "CST3": 1}
    assert gate(T_CELL | ambient).is_t_cell.all()
    assert not gate(T_CELL | ambient).doublet_suspect.any()


def test_ambient_t_molecules_do_no_harm() -> None:
    """A single T molecule in a deep cell without any other programme is not enough."""
    assert gate({"CD3D": 1}, total=20_000).t_cell_evidence.tolist() == [TCellEvidence.NONE]
    assert gate({"CD3D": 1}, total=400).is_t_cell.all()


def test_genes_shared_with_other_lineages_are_not_enough() -> None:
    """IL7R and TCF7 without any core T gene (as in innate lymphoid cells) make no T cell."""
    assert not gate({"IL7R": 6, "TCF7": 2}).is_t_cell.any()


def test_cytotoxic_t_cells_are_no_nk_cells() -> None:
    """A cytotoxic T cell with NK receptors stays a T cell."""
    assert gate(T_CELL | {"KLRD1": 2, "SPON2": 1, "FCGR3A": 1, "CLIC3": 1}).is_t_cell.all()


def test_a_receptor_helps_against_a_weak_other_programme_only() -> None:
    """A receptor outweighs a sixth of a monocyte, not a whole one."""
    weak = {"LYZ": 10, "S100A9": 6}
    assert not gate(weak).is_t_cell.any()
    assert gate(weak, receptor=True).t_cell_evidence.tolist() == [TCellEvidence.RECEPTOR]


def test_depth_cancels_out() -> None:
    """The same cells sequenced eight times as deep get the same verdicts."""
    cells = [T_CELL, B_CELL, MONOCYTE, NK_CELL, {}]
    deep = [{gene: 8 * n for gene, n in cell.items()} for cell in cells]
    assert gate(*cells).t_cell_evidence.tolist() == gate(*deep, total=24_000).t_cell_evidence.tolist()


def test_panels_without_t_genes_give_no_evidence() -> None:
    """Where no T gene is measured, nothing is called T without a receptor."""
    missing = tuple(PROGRAMMES[CellLineage.T])
    assert gate(T_CELL, missing=missing).t_cell_evidence.tolist() == [TCellEvidence.NONE]
    assert gate(T_CELL, missing=missing, receptor=True).t_cell_evidence.tolist() == [TCellEvidence.RECEPTOR]


def test_panels_without_any_marker_work() -> None:
    """A matrix that measures no marker at all gives 'none'."""
    assert gate(T_CELL, MONOCYTE, missing=GATE_GENES).t_cell_evidence.tolist() == [TCellEvidence.NONE] * 2


def test_one_weak_marker_of_a_small_panel_cannot_win() -> None:
    """Where NCAM1 is the only NK gene measured, one molecule of it does not outweigh a T cell."""
    missing = tuple(set(PROGRAMMES[CellLineage.NK]) - {"NCAM1"})
    assert gate(T_CELL | {"NCAM1": 1}, missing=missing).is_t_cell.all()


def test_no_cells() -> None:
    """No cells give empty arrays."""
    n = len(GATE_GENES)
    result = gate_cells(np.zeros((0, n), np.float32), np.ones(n, bool), np.zeros(0), np.zeros(0, bool))
    assert result.is_t_cell.shape == result.doublet_evidence.shape == (0,)


def halves(*cells: dict[str, int]) -> dict[str, int]:
    return {gene: sum(cell.get(gene, 0) for cell in cells) for cell in cells for gene in cell}


@pytest.mark.parametrize(
    ("cell", "options", "signs"),
    [
        (T_CELL, {}, ""),
        (T_CELL, {"pairing": ChainPairing.SINGLE_PAIR, "receptor": True}, ""),
        (T_CELL, {"pairing": ChainPairing.EXTRA_VJ, "receptor": True}, ""),
        (T_CELL, {"pairing": ChainPairing.MULTICHAIN}, DoubletSign.MULTICHAIN),
        (T_CELL, {"pairing": ChainPairing.TWO_FULL_CHAINS}, DoubletSign.TWO_FULL_CHAINS),
        (halves(T_CELL, B_CELL), {}, DoubletSign.T_WITH_B),
        (halves(T_CELL, MONOCYTE), {}, DoubletSign.T_WITH_MYELOID),
        (T_CELL | {"CD4": 2, "CD8A": 1, "CD8B": 2}, {}, DoubletSign.CD4_WITH_CD8),
        (T_CELL | {"CD4": 2, "CD8A": 3}, {}, ""),
        (B_CELL, {"receptor": True}, DoubletSign.RECEPTOR_WITH_B),
        (MONOCYTE, {"receptor": True}, DoubletSign.RECEPTOR_WITH_MYELOID),
        (NK_CELL, {"receptor": True}, ""),
        (
            halves(T_CELL, B_CELL) | {"CD4": 2, "CD8B": 3},
            {"pairing": ChainPairing.MULTICHAIN},
            "multichain+t_with_b+cd4_with_cd8",
        ),
    ],
)
def test_doublet_signs(cell: dict[str, int], options: dict, signs: str) -> None:
    """Each sign of a doublet is seen and named; dual-alpha cells and single cells show none."""
    result = gate(cell, **options)
    assert result.doublet_evidence.tolist() == [signs]
    assert result.doublet_suspect.tolist() == [signs != ""]


def test_synthetic_classes_are_told_apart() -> None:
    """In the synthetic sample every T cell is called T and no other cell is."""
    sample = make_counts(120, 300, seed=3)
    markers = find_markers(sample.gene_names)
    result = gate_cells(
        markers.gather(sample.counts).gate,
        markers.present,
        np.asarray(sample.counts.sum(axis=1)).ravel(),
        np.zeros(120, dtype=bool),
    )
    assert result.is_t_cell.tolist() == [c.endswith(" T") for c in sample.classes]


def test_markers_are_gathered_with_mitochondrial_genes() -> None:
    """One pass gives the markers in their order and the sum over all mitochondrial genes."""
    markers = find_markers(["MT-CO1", "CD3E", "ACTB", "MT-ND1", "LYZ"])
    counts = markers.gather(sparse.csr_matrix(np.array([[1, 2, 3, 4, 5]], dtype=np.int32)))
    assert markers.n_mt_genes == 2
    assert counts.mt is not None
    assert counts.mt.tolist() == [5]
    assert counts.gate[0, GATE_GENES.index("CD3E")] == 2
    assert counts.gate[0, GATE_GENES.index("LYZ")] == 5
    assert counts.gate.sum() == 7
    assert markers.present.sum() == 2


def test_without_mitochondrial_genes_there_is_no_sum() -> None:
    """A panel without mitochondrial genes gives None, and a block of another width is refused."""
    markers = find_markers(["CD3E", "CD4"])
    assert markers.gather(sparse.csr_matrix((1, 2))).mt is None
    with pytest.raises(ValueError, match="3 genes"):
        markers.gather(sparse.csr_matrix((1, 3)))


def test_repeated_symbols_are_refused() -> None:
    """A matrix that was not harmonised is refused."""
    with pytest.raises(InputError, match="CD3E"):
        find_markers(["CD3E", "CD3E"])


def test_markers_are_approved_symbols() -> None:
    """Every marker carries the symbol that harmonising gives, but for two probe names of BD panels."""
    unknown = set(GATE_GENES) - read_gene_reference().approved
    assert unknown == {"IGHM_membrane", "IGHD_membrane"}
    assert set(PROGRAMMES[CellLineage.T]) >= CORE_T_GENES


def test_verdicts_do_not_depend_on_the_block() -> None:
    """A cell gets the same verdict alone and among others."""
    cells = [T_CELL, B_CELL, MONOCYTE, NK_CELL, halves(T_CELL, B_CELL), {}]
    together = gate(*cells)
    alone = [gate(cell) for cell in cells]
    assert together.t_cell_evidence.tolist() == [r.t_cell_evidence[0] for r in alone]
    assert together.doublet_evidence.tolist() == [r.doublet_evidence[0] for r in alone]


@pytest.mark.parametrize(
    ("cell", "receptor", "evidence"),
    [
        ({"CD3D": 1, "CD79A": 1}, False, TCellEvidence.NONE),
        ({"CD3D": 2, "CD79A": 1}, False, TCellEvidence.GENES),
        ({"CD79A": 1}, True, TCellEvidence.AGAINST),
        ({"CD3D": 1, "CD79A": 1}, True, TCellEvidence.BOTH),
    ],
)
def test_a_tie_is_no_evidence_for_a_t_cell(cell: dict[str, int], receptor: bool, evidence: str) -> None:
    """Equal shares make no T cell; a receptor breaks a tie of genes, but counts no more than it weighs."""
    markers = np.array([[cell.get(gene, 0) for gene in GATE_GENES]], dtype=np.float32)
    # nothing is expected of genes that are not measured, so that equal counts are equal shares;
    # 2,000 molecules give the receptor the weight of one count
    result = gate_cells(
        markers, np.zeros(len(GATE_GENES), dtype=bool), np.array([2000]), np.array([receptor]), None
    )
    assert result.t_cell_evidence.tolist() == [evidence]
    assert result.is_t_cell.tolist() == [evidence in {TCellEvidence.GENES, TCellEvidence.BOTH}]


@pytest.mark.parametrize(
    ("t_share", "b_share", "is_mixed"),
    [(1.0, 4.0, True), (1.0, 4.1, False), (4.0, 1.0, True), (4.1, 1.0, False)],
)
def test_a_doublet_may_be_four_times_as_much_of_one_cell(
    t_share: float, b_share: float, is_mixed: bool
) -> None:
    """Two programmes that differ by more than four times are one cell and its surroundings."""
    t, b = _LINEAGES.index(CellLineage.T), _LINEAGES.index(CellLineage.B)
    shares = np.zeros((1, len(_LINEAGES)))
    shares[0, [t, b]] = t_share, b_share
    many = np.full((1, len(_LINEAGES)), 9)
    shown = _Programmes(shares, many.astype(float), many, np.array([9.0]), np.array([9]), np.array([9.0]))
    markers = np.zeros((1, len(GATE_GENES)), np.float32)
    signs = _find_doublet_signs(shown, np.array([b]), markers, np.zeros(1, dtype=bool), None)
    assert signs[DoubletSign.T_WITH_B].tolist() == [is_mixed]
