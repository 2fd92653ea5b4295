"""Measure the T-cell gate on labelled cells: sensitivity, specificity, depth, panels, doublets.

    python -m recipes.gate.measure_gate --data DIR [--update docs/gate.md] [--weights]

Rules and constants were chosen on the tuning sets alone; the other sets are held out. The numbers
are printed as Markdown, or written between the markers of a page.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

from tcellflow.cells import gate
from tcellflow.cells.gate import GateResult, gate_cells
from tcellflow.cells.markers import PROGRAMMES, CellLineage, find_markers
from tcellflow.genes.symbols import harmonise_genes

TUNING = ("zheng_facs_mudan", "pbmc3k")
START, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NOT_LABELLED = {"undefined", "unmatched"}


@dataclass(frozen=True)
class LabelledSet:
    """One data set: counts under approved symbols, author labels and what counts as a T cell."""

    name: str
    file: str
    label: str
    t_labels: tuple[str, ...]
    truth: str


_GATED = ("CD4 T", "CD8 T")
_SORTED = ("memoryt", "regulatoryt", "thelper", "cytotoxict", "naivet", "naivecytotoxic")
_CLASSIFIED = ("T_CD4_memory", "T_CD4_naive", "T_CD8_memory", "T_CD8_naive", "T_gamma_delta")
SETS = (
    LabelledSet("zheng_facs_mudan", "zheng_facs_mudan.h5ad", "facs_label", _SORTED, "bead-sorted"),
    LabelledSet(
        "pbmc3k", "pbmc3k.h5ad", "cell_type", ("Naive CD4 T", "Memory CD4 T", "CD8 T"), "RNA clusters"
    ),
    LabelledSet("citeseq_pbmc10k", "citeseq_pbmc10k.h5ad", "cell_type_l1", _GATED, "protein gates"),
    LabelledSet("citeseq_pbmc5k", "citeseq_pbmc5k.h5ad", "cell_type_l1", _GATED, "protein gates"),
    LabelledSet("citeseq_malt_1k", "citeseq_malt_1k.h5ad", "cell_type_l1", _GATED, "protein gates"),
    LabelledSet("bd_rhapsody_pbmc_targeted", "counts.h5ad", "label_orig", _CLASSIFIED, "vendor classifier"),
    LabelledSet(
        "abseq_bm_250",
        "abseq_bm_250.h5ad",
        "condensed_cell_type",
        ("CD4+ T Cells", "CD8+ T Cells"),
        "authors",
    ),
    LabelledSet("pbmc_symphony_1500", "pbmc_symphony_1500.h5ad", "cell_type", ("T_CD4", "T_CD8"), "authors"),
    LabelledSet("tenx_healthy_T_1k", "counts.h5ad", "is_T", ("True",), "T-cell library"),
    LabelledSet("trex_pt17_trimodal", "counts.h5ad", "is_T", ("True",), "T-cell library"),
)


@dataclass(frozen=True)
class Cells:
    """Cells of one set that carry a label."""

    counts: sparse.csr_matrix
    symbols: np.ndarray
    labels: np.ndarray
    is_t: np.ndarray
    has_receptor: np.ndarray | None

    def cut_to(self, symbols: set[str]) -> Cells:
        """Give the same cells, measured in some genes only."""
        keep = np.flatnonzero([symbol in symbols for symbol in self.symbols])
        return Cells(self.counts[:, keep], self.symbols[keep], self.labels, self.is_t, self.has_receptor)

    def thinned(self, share: float, rng: np.random.Generator) -> Cells:
        """Give the same cells at a share of their depth."""
        counts = self.counts.copy()
        counts.data = rng.binomial(counts.data, share)
        counts.eliminate_zeros()
        return Cells(counts, self.symbols, self.labels, self.is_t, self.has_receptor)


def read_set(data: Path, chosen: LabelledSet) -> Cells:
    """Read one labelled set."""
    adata = ad.read_h5ad(data / chosen.name / chosen.file)
    ids = list(adata.var["gene_ids"]) if "gene_ids" in adata.var else [""] * adata.n_vars
    genes = harmonise_genes(ids, list(adata.var_names), where=chosen.name)
    counts = genes.merge_columns(sparse.csr_matrix(adata.X))
    labels = adata.obs[chosen.label].astype(str).to_numpy()
    keep = ~np.isin(labels, list(NOT_LABELLED))
    receptor = None
    if {"has_TRA", "has_TRB"} <= set(adata.obs):
        receptor = (adata.obs["has_TRA"].astype(bool) | adata.obs["has_TRB"].astype(bool)).to_numpy()[keep]
    return Cells(counts[keep], genes.symbols, labels[keep], np.isin(labels[keep], chosen.t_labels), receptor)


def run_gate(cells: Cells, *, with_receptor: bool = False) -> GateResult:
    """Gate the cells as preprocess does."""
    markers = find_markers(cells.symbols)
    totals = np.asarray(cells.counts.sum(axis=1)).ravel()
    receptor = np.zeros(len(totals), dtype=bool)
    if with_receptor and cells.has_receptor is not None:
        receptor = cells.has_receptor
    return gate_cells(markers.gather(cells.counts).gate, markers.present, totals, receptor)


def interval(hits: int, n: int) -> str:
    """Give a share in percent with its 95 % Wilson interval."""
    if n == 0:
        return "-"
    z, share = 1.959964, hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return f"{100 * share:.1f} ({100 * (centre - half):.1f}-{100 * (centre + half):.1f})"


def rates(cells: Cells, verdict: np.ndarray) -> tuple[str, str]:
    """Compute sensitivity and specificity with intervals."""
    n_t = int(cells.is_t.sum())
    return (
        interval(int((verdict & cells.is_t).sum()), n_t),
        interval(int((~verdict & ~cells.is_t).sum()), len(verdict) - n_t),
    )


def table(header: list[str], rows: list[list[object]]) -> list[str]:
    """Write a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def measure_sets(sets: dict[str, Cells]) -> list[str]:
    """Measure sensitivity and specificity per set, and name the labels that disagree."""
    rows, wrong = [], []
    truths = {s.name: s.truth for s in SETS}
    for name, cells in sets.items():
        role = "tuning" if name in TUNING else "held out"
        ways = [False, True] if cells.has_receptor is not None else [False]
        for with_receptor in ways:
            verdict = run_gate(cells, with_receptor=with_receptor).is_t_cell
            shown = name + (", with receptors" if with_receptor else "")
            n_t = int(cells.is_t.sum())
            rows.append(
                [
                    shown,
                    role,
                    truths[name],
                    len(cells.symbols),
                    n_t,
                    len(verdict) - n_t,
                    *rates(cells, verdict),
                ]
            )
        verdict = run_gate(cells).is_t_cell
        for label in sorted(set(cells.labels)):
            of_label = cells.labels == label
            missed = int((verdict != cells.is_t)[of_label].sum())
            if missed > 0.03 * of_label.sum() and missed > 2:
                wrong.append([name, label, int(of_label.sum()), missed])
    lines = table(
        ["set", "role", "labels from", "genes", "T", "others", "sensitivity %", "specificity %"], rows
    )
    lines += ["", "Labels with more than 3 % disagreement (without receptors):", ""]
    return lines + table(["set", "label", "cells", "disagree"], wrong)


def measure_conditions(sets: dict[str, Cells]) -> list[str]:
    """Gate the tuning sets at lower depth, and cut to the genes of other sets."""
    rng = np.random.default_rng(0)
    rows = []
    for name in TUNING:
        for share in (1.0, 0.5, 0.25, 0.125):
            thin = sets[name].thinned(share, rng)
            rows.append([name, f"depth x {share:g}", *rates(thin, run_gate(thin).is_t_cell)])
        for other in ("citeseq_pbmc10k", "pbmc_symphony_1500", "abseq_bm_250", "bd_rhapsody_pbmc_targeted"):
            cut = sets[name].cut_to(set(sets[other].symbols))
            rows.append([name, f"genes of {other}", *rates(cut, run_gate(cut).is_t_cell)])
    return table(["set", "condition", "sensitivity %", "specificity %"], rows)


def measure_constants(sets: dict[str, Cells]) -> list[str]:
    """Gate the tuning sets under other values of the constants."""
    rows = []
    choices = {
        "_SPARE_EXPECTATION": (2.0, 5.0, 20.0, 40.0),
        "_MIN_T_PART": (0.0, 0.05, 0.1, 0.15),
    }
    for constant, values in choices.items():
        shipped = getattr(gate, constant)
        for value in values:
            setattr(gate, constant, value)
            found = [part for name in TUNING for part in rates(sets[name], run_gate(sets[name]).is_t_cell)]
            rows.append([constant.strip("_").lower(), value, *(text.split(" ")[0] for text in found)])
        setattr(gate, constant, shipped)
    header = ["constant", "value", *(f"{name} {what}" for name in TUNING for what in ("sens. %", "spec. %"))]
    return table(header, rows)


def measure_doublets(sets: dict[str, Cells]) -> list[str]:
    """Flag doublets made by adding the counts of two cells, and the cells themselves."""
    rng = np.random.default_rng(0)
    partners = {
        "zheng_facs_mudan": {"B": ("bcells",), "monocytes": ("monocytes",)},
        "pbmc3k": {"B": ("B",), "monocytes": ("CD14+ Mono", "FCGR3A+ Mono")},
    }
    rows = []
    for name in TUNING:
        cells = sets[name]
        verdict = run_gate(cells)
        t_cells = np.flatnonzero(cells.is_t & verdict.is_t_cell)
        for kind, labels in partners[name].items():
            others = np.flatnonzero(np.isin(cells.labels, labels))
            pairs = cells.counts[rng.choice(t_cells, 500)] + cells.counts[rng.choice(others, 500)]
            made = Cells(pairs.tocsr(), cells.symbols, np.empty(500), np.ones(500, bool), None)
            rows.append(
                [name, f"made: T + {kind}", 500, interval(int(run_gate(made).doublet_suspect.sum()), 500)]
            )
        for what, chosen in (("T cells", cells.is_t), ("other cells", ~cells.is_t)):
            flagged = int(verdict.doublet_suspect[chosen].sum())
            rows.append(
                [name, f"as they are: {what}", int(chosen.sum()), interval(flagged, int(chosen.sum()))]
            )
    for name in ("tenx_healthy_T_1k", "citeseq_pbmc10k"):
        flagged = int(run_gate(sets[name]).doublet_suspect.sum())
        rows.append(
            [name, "as they are: all", len(sets[name].labels), interval(flagged, len(sets[name].labels))]
        )
    return table(["set", "cells", "n", "flagged %"], rows)


def print_weights(sets: dict[str, Cells]) -> None:
    """Print the mean molecules per 10,000 in the tuning sets beside the weights in use."""
    classes = {
        CellLineage.T: {"zheng_facs_mudan": SETS[0].t_labels, "pbmc3k": SETS[1].t_labels},
        CellLineage.NK: {"zheng_facs_mudan": ("nk",), "pbmc3k": ("NK",)},
        CellLineage.B: {"zheng_facs_mudan": ("bcells",), "pbmc3k": ("B",)},
        CellLineage.MONOCYTE: {"pbmc3k": ("CD14+ Mono", "FCGR3A+ Mono")},
        CellLineage.NONCLASSICAL: {"pbmc3k": ("FCGR3A+ Mono",)},
        CellLineage.DENDRITIC: {"pbmc3k": ("DC",)},
        CellLineage.PLATELET: {"pbmc3k": ("Platelet",)},
    }
    for lineage, where in classes.items():
        for gene, used in PROGRAMMES[lineage].items():
            means = []
            for name, labels in where.items():
                cells = sets[name]
                place = np.flatnonzero(cells.symbols == gene)
                if place.size:
                    totals = np.asarray(cells.counts.sum(axis=1)).ravel()
                    per_10k = cells.counts[:, place].toarray().ravel() / totals * 1e4
                    means += [per_10k[cells.labels == label].mean() for label in labels]
            print(
                f"{lineage}\t{gene}\t{used}\t{np.mean(means):.1f}"
                if means
                else f"{lineage}\t{gene}\t{used}\t-"
            )


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--update", type=Path, help="page whose measured part is replaced")
    parser.add_argument("--weights", action="store_true", help="print the tuning sets' means instead")
    options = parser.parse_args()
    sets = {chosen.name: read_set(options.data, chosen) for chosen in SETS}
    if options.weights:
        print_weights(sets)
        return
    sections = {
        "Labelled sets": measure_sets(sets),
        "Shallow cells and small panels": measure_conditions(sets),
        "Other constants": measure_constants(sets),
        "Doublets": measure_doublets(sets),
    }
    text = "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in sections.items())
    if options.update is None:
        print(text)
        return
    before, _, rest = options.update.read_text().partition(START)
    _, _, after = rest.partition(END)
    options.update.write_text(f"{before}{START}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
