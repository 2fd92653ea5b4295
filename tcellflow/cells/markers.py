"""The few genes that quality control and the T-cell gate look at, taken out of a block in one go.

Invariant: a marker that the matrix does not measure counts 0 and is known to be absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.quality import MT_PREFIX
from tcellflow.genes.panel import align_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock, PanelAlignment


class CellLineage(StrEnum):
    """Lineages that the gate tells apart."""

    T = "T"
    NK = "NK"
    B = "B"
    PLASMA = "plasma"
    MONOCYTE = "classical monocyte"
    NONCLASSICAL = "non-classical monocyte"
    DENDRITIC = "dendritic"
    PLASMACYTOID = "plasmacytoid dendritic"
    PLATELET = "platelet"
    ERYTHROID = "erythroid"
    PROGENITOR = "progenitor"
    TISSUE = "tissue"


# Molecules per 10,000 in a typical cell of the lineage: rounded means of bead-sorted cells (Zheng
# et al. 2017) and of annotated PBMC (10x PBMC 3k), computed by recipes/gate/measure_gate.py
# --weights. Those references lack TR and IG constant genes and few plasma, plasmacytoid, erythroid
# and tissue cells were among the cells: these values are set by hand to their order of magnitude.
# TRDC, TRGC1/2 and CD247 are left out, because NK cells transcribe them too.
PROGRAMMES: Final[dict[CellLineage, dict[str, float]]] = {
    CellLineage.T: {
        "CD3D": 12, "CD3E": 9, "CD3G": 2, "TRAC": 6, "TRBC1": 4, "TRBC2": 6, "CD5": 0.8, "CD6": 1.2,
        "CD28": 0.5, "TRAT1": 1.1, "THEMIS": 0.2, "BCL11B": 0.3, "CAMK4": 0.6, "CD40LG": 0.6,
        "SIRPG": 0.8, "ICOS": 0.2, "UBASH3A": 0.4, "CD8B": 2.6, "CD2": 3.8, "IL7R": 4, "LEF1": 1.6,
        "TCF7": 1.6, "MAL": 1.5, "ITK": 0.4,
    },
    CellLineage.NK: {
        "TYROBP": 22, "FCER1G": 17, "KLRF1": 4, "NCAM1": 0.3, "SH2D1B": 1.6, "CLIC3": 12, "SPON2": 9,
        "FCGR3A": 10, "KLRC1": 2.7, "KLRD1": 4.8,
    },
    CellLineage.B: {
        "MS4A1": 13, "CD79A": 26, "CD79B": 22, "CD19": 1.6, "BANK1": 3.8, "TCL1A": 7, "BLK": 2.7,
        "FCRLA": 2.4, "LINC00926": 4, "VPREB3": 2.9, "CD22": 1.3, "IGHM": 20, "IGHD": 5,
        "IGHM_membrane": 10, "IGHD_membrane": 5,  # probes of BD Rhapsody panels
    },
    CellLineage.PLASMA: {
        "JCHAIN": 60, "MZB1": 30, "IGKC": 300, "IGLC2": 100, "IGHG1": 100, "IGHA1": 100, "TNFRSF17": 3,
        "DERL3": 8,
    },
    CellLineage.MONOCYTE: {
        "LYZ": 106, "S100A8": 42, "S100A9": 74, "S100A12": 5, "CST3": 54, "FCN1": 20, "LST1": 36,
        "AIF1": 34, "CTSS": 26, "TYROBP": 46, "FCER1G": 29, "CD14": 3.7, "SPI1": 6.8, "MNDA": 2.2,
        "CD68": 7.6, "MS4A7": 4.8, "CFP": 5.6, "SERPINA1": 9.3, "CSF3R": 1.9, "VCAN": 1.3, "CSF1R": 1.5,
    },
    CellLineage.NONCLASSICAL: {
        "FCGR3A": 30, "LST1": 65, "AIF1": 60, "CST3": 70, "MS4A7": 11, "SERPINA1": 16, "CFP": 8,
        "TYROBP": 57, "FCER1G": 56, "CSF1R": 3, "CTSS": 38, "CD68": 12, "SPI1": 11, "LYZ": 40,
    },
    CellLineage.DENDRITIC: {
        "FCER1A": 15, "CLEC10A": 5, "CD1C": 3, "CST3": 88, "LYZ": 126, "CLEC9A": 2, "CPVL": 5,
    },
    CellLineage.PLASMACYTOID: {
        "LILRA4": 8, "CLEC4C": 4, "IL3RA": 4, "SERPINF1": 8, "IRF8": 8, "TCF4": 8, "PLD4": 10,
    },
    CellLineage.PLATELET: {"PPBP": 440, "PF4": 160, "GNG11": 97, "GP9": 34, "TUBB1": 58, "ITGA2B": 22},
    CellLineage.ERYTHROID: {
        "HBA1": 300, "HBA2": 500, "HBB": 1000, "ALAS2": 20, "AHSP": 20, "HBM": 10, "GYPA": 3,
    },
    CellLineage.PROGENITOR: {"CD34": 5, "KIT": 2},
    CellLineage.TISSUE: {
        "EPCAM": 5, "KRT8": 15, "KRT18": 20, "KRT19": 20, "COL1A1": 50, "COL1A2": 40, "COL3A1": 40,
        "DCN": 30, "LUM": 20, "VWF": 10, "CLDN5": 10,
    },
}  # fmt: skip
# T genes that other lineages hardly transcribe; at least one must be seen. The others (IL7R in
# innate lymphoid cells, CD2 in NK cells, LEF1 in early B cells ...) only add to them.
CORE_T_GENES: Final = frozenset(PROGRAMMES[CellLineage.T]) - {"CD2", "IL7R", "LEF1", "TCF7", "MAL", "ITK"}
_CORECEPTORS: Final = ("CD4", "CD8A", "CD8B")
GATE_GENES: Final = tuple(
    dict.fromkeys([gene for programme in PROGRAMMES.values() for gene in programme] + list(_CORECEPTORS))
)


@dataclass(frozen=True)
class MarkerCounts:
    """Marker counts of a block of cells.

    Parameters
    ----------
    gate
        Counts in `GATE_GENES`, shape (cells, M), float32; 0 where not measured.
    mt
        Counts over all mitochondrial genes, shape (cells,), float64; None where none is measured.
    """

    gate: NDArray[np.float32]
    mt: NDArray[np.float64] | None


@dataclass(frozen=True)
class MarkerPanel:
    """Where the markers lie in a matrix; made by `find_markers`.

    Parameters
    ----------
    present
        Whether the matrix measures each of `GATE_GENES`, shape (M,).
    n_mt_genes
        Mitochondrial genes of the matrix.
    """

    present: NDArray[np.bool_]
    n_mt_genes: int
    _alignment: PanelAlignment = field(repr=False)

    def gather(self, block: CsrBlock) -> MarkerCounts:
        """Take the markers out of a block of counts (cells, genes).

        Raises
        ------
        ValueError
            If the block has another width than the matrix that was looked at.
        """
        counts = self._alignment.gather(block)
        mt = counts[:, len(GATE_GENES) :].sum(axis=1, dtype=np.float64) if self.n_mt_genes else None
        return MarkerCounts(counts[:, : len(GATE_GENES)], mt)


def find_markers(symbols: Sequence[str] | NDArray[np.object_]) -> MarkerPanel:
    """Find the marker and mitochondrial genes among harmonised symbols in column order.

    Raises
    ------
    InputError
        If a symbol occurs twice.
    """
    mt_genes = [symbol for symbol in symbols if symbol.startswith(MT_PREFIX)]
    alignment = align_panel(symbols, [*GATE_GENES, *mt_genes])
    return MarkerPanel(alignment.present[: len(GATE_GENES)], len(mt_genes), alignment)
