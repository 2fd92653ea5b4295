"""The AnnData contract: what a cells file must hold, so that each step can rely on it.

Invariant: a missing modality is absent (no obsm key, null entries), never filled with constants.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from tcellflow.contracts.faults import Fault

Slot = Literal["X", "layers", "obs", "var", "obsm", "uns"]


@dataclass(frozen=True)
class Entry:
    """One entry of an AnnData contract.

    Parameters
    ----------
    slot
        Where it lies.
    name
        Its key; empty for X.
    dtype
        What it holds, in words for the reference page.
    meaning
        Content with its unit.
    required
        Whether every file has it.
    """

    slot: Slot
    name: str
    dtype: str
    meaning: str
    required: bool = True

    @property
    def place(self) -> str:
        """The address inside the h5ad file, e.g. ``obs/sample_id``."""
        return self.slot if not self.name else f"{self.slot}/{self.name}"


@dataclass(frozen=True)
class AnnDataContract:
    """Contract of one kind of h5ad file.

    Parameters
    ----------
    name, version
        As in `Table`.
    entries
        What the file holds.
    meaning
        One sentence for the reference page.
    """

    name: str
    version: int
    entries: tuple[Entry, ...]
    meaning: str

    @property
    def stamp(self) -> str:
        """The ``name/version`` written into ``uns/tcellflow/contract``."""
        return f"{self.name}/{self.version}"


CELLS: Final = AnnDataContract(
    name="cells",
    version=1,
    meaning="Cells that passed quality control, with expression, receptors and proteins.",
    entries=(
        Entry("X", "", "float32 CSR", "log1p(counts per 10,000)"),
        Entry(
            "layers",
            "counts",
            "uint8, uint16 or int32 CSR",
            "molecules (UMI) or reads in the smallest type that holds all, same sparsity pattern as X; "
            "absent where the input was log-normalised",
            required=False,
        ),
        Entry("obs", "sample_id", "string", "sample the cell belongs to"),
        Entry("obs", "donor", "string", "donor; the sample where none was given"),
        Entry(
            "obs",
            "total_counts",
            "int64",
            "counts over all genes; recovered where the input was log-normalised",
        ),
        Entry("obs", "n_genes_by_counts", "int32", "genes with at least one count"),
        Entry("obs", "pct_counts_mt", "float32", "percent of counts in mitochondrial genes, 0-100"),
        Entry("obs", "is_t_cell", "bool", "verdict of the T-cell gate"),
        Entry(
            "obs", "t_cell_evidence", "string", "what the gate saw: genes, receptor, both, against or none"
        ),
        Entry("obs", "other_lineage", "string", "lineage the gate saw instead; empty elsewhere"),
        Entry("obs", "doublet_suspect", "bool", "signs of two cells under one barcode"),
        Entry("obs", "doublet_evidence", "string", "which signs, joined by +; empty without any"),
        Entry("obs", "has_tra", "bool", "usable alpha chain"),
        Entry("obs", "has_trb", "bool", "usable beta chain"),
        Entry("obs", "chain_pairing", "string", "scirpy's nine values; 'no IR' without a receptor"),
        Entry("obs", "receptor_type", "string", "scirpy's values"),
        Entry("obs", "receptor_subtype", "string", "scirpy's values"),
        Entry("obs", "clone_id", "string", "clone within the donor; missing without a usable chain"),
        Entry("obs", "clone_size", "int32", "cells of the clone in this sample; 0 without a usable chain"),
        Entry("obs", "has_adt", "bool", "the cell is in the antibody library; only with one", required=False),
        Entry("var", "gene_ids", "string", "Ensembl gene id without version; empty if unknown"),
        Entry("var", "gene_name_raw", "string", "gene name as the input file spelt it"),
        Entry(
            "obsm",
            "adt_counts",
            "int32 data frame",
            "antibody counts, one column per antibody",
            required=False,
        ),
        Entry(
            "obsm",
            "adt_clr",
            "float32 data frame",
            "centred log-ratio per cell over the antibodies; NaN rows where has_adt is false",
            required=False,
        ),
        Entry("obsm", "hto_counts", "int32 data frame", "counts of sample hashtags", required=False),
        Entry("uns", "tcellflow", "mapping", "contract and one note per step"),
        Entry(
            "uns",
            "tcellflow/counts_kind",
            "string",
            "counts, log1p_cp10k for log-normalised input, corrected_counts for counts with fractions",
            required=False,
        ),
        Entry("uns", "tcellflow/antibodies", "data frame", "gene and kind of each antibody", required=False),
        *(
            entry
            for key, what in (("X_tra", "alpha"), ("X_trb", "beta"), ("X_tcr", "pair"))
            for entry in (
                Entry(
                    "obsm",
                    key,
                    "float32 (cells, D)",
                    f"{what} vectors, 0 where has_{key} is false; by embed-tcr",
                    required=False,
                ),
                Entry("obs", f"has_{key}", "bool", f"a vector of its {what}; by embed-tcr", required=False),
            )
        ),
    ),
)

_FUSED_ENTRIES: Final = (
    Entry("obsm", "X_fused", "float32 (cells, 64)", "fused vectors; NaN where nothing was measured"),
    Entry(
        "obsm",
        "adt_imputed",
        "float32 data frame",
        "log1p counts as told without the own value",
        required=False,
    ),
    Entry("obsm", "adt_imputed_sd", "float32 data frame", "standard deviation of the same", required=False),
    Entry("obsm", "adt_denoised", "float32 data frame", "level above background", required=False),
    Entry("obsm", "adt_denoised_sd", "float32 data frame", "standard deviation of it", required=False),
    Entry("obsm", "adt_foreground", "float32 data frame", "probability of signal", required=False),
    Entry("obs", "fuse_inputs", "string", "what the vector was made from"),
    Entry("obs", "fuse_w_rna", "float32", "weight of expression"),
    Entry("obs", "fuse_w_adt", "float32", "weight of the proteins"),
    Entry("obs", "fuse_label", "string", "most probable label", required=False),
    Entry("obs", "fuse_label_probability", "float32", "its calibrated probability", required=False),
    Entry("obs", "fuse_cluster", "categorical", "group of the graph; since version 2", required=False),
    Entry(
        "obs",
        "fuse_ood_score",
        "float32",
        "0-1, 1 = unlike what was learnt; since version 2",
        required=False,
    ),
    Entry("obsm", "X_fused_umap", "float32 (cells, 2)", "place on the map; since version 2", required=False),
)

ANNOTATED: Final = AnnDataContract(
    name="annotated",
    version=2,
    meaning="The cells file with predictions added.",
    entries=(
        *CELLS.entries,
        Entry("obs", "state", "category", "reported state, Unresolved or Not_T; ordered, all there are"),
        Entry("obs", "predicted_state", "category", "most probable state before abstention; ordered, all"),
        Entry("obs", "state_probability", "float32", "probability of predicted_state"),
        Entry("obs", "state_entropy", "float32", "entropy of the seven probabilities in nats"),
        Entry("obs", "state_abstained", "bool", "no state is reported"),
        Entry("obs", "state_evidence", "string", "kind of truth the class was learnt from"),
        Entry(
            "obsm",
            "state_probabilities",
            "float32 data frame",
            "probabilities, one column per state, in the order of uns/tcellflow/state_classes",
        ),
        Entry("obsm", "X_state", "float32 (cells, D)", "latent of the bundle"),
        Entry("obs", "state_abstain_reason", "string", "why no state is reported; missing elsewhere"),
        Entry("obs", "state_lineage", "string", "most probable lineage inside predicted_state"),
        Entry("obs", "state_function", "string", "most probable function inside predicted_state"),
        Entry("obs", "state_cycle", "string", "resting or cycling"),
        Entry("uns", "tcellflow/state_classes", "string array", "the seven states in column order"),
        Entry("uns", "state_colors", "string array", "colours of the categories of state", required=False),
        Entry("uns", "predicted_state_colors", "string array", "of predicted_state", required=False),
        Entry(
            "obs",
            "state_confidence",
            "float32",
            "share of right calls among calls like this one; since version 2",
            required=False,
        ),
        Entry(
            "obs",
            "state_th",
            "string",
            "kind of help of cells called Th_effector; missing elsewhere",
            required=False,
        ),
        Entry(
            "obs",
            "state_unconventional",
            "string",
            "MAIT, iNKT or gamma_delta; missing elsewhere",
            required=False,
        ),
        Entry(
            "obsm",
            "programmes",
            "float32 data frame",
            "0-1, one column per programme; NaN = not measurable, or no T cell; since version 2",
            required=False,
        ),
        *(replace(entry, required=False) for entry in _FUSED_ENTRIES),
    ),
)

FUSED_CELLS: Final = AnnDataContract(
    name="fused_cells",
    version=2,
    meaning="The cells file with fused vectors and proteins added.",
    entries=(
        *CELLS.entries,
        *_FUSED_ENTRIES,
    ),
)

ANNDATA_CONTRACTS: Final = (CELLS, ANNOTATED, FUSED_CELLS)


def find_cells_faults(stamp: str, places: set[str], contract: AnnDataContract) -> list[Fault]:
    """Compare the entries of a cells file (h5ad) with its contract.

    Parameters
    ----------
    stamp
        The file's ``uns/tcellflow/contract``; empty if absent.
    places
        Addresses present, e.g. ``obs/sample_id``.
    contract
        What it should hold.

    Returns
    -------
    list of Fault
        Everything wrong; empty when the file is valid.
    """
    if stamp.partition("/")[0] not in {contract.name, ANNOTATED.name, FUSED_CELLS.name}:
        found = f"carries the contract '{stamp}'" if stamp else "was not written by tcellflow"
        return [Fault(f"the file {found}", "uns/tcellflow", "run tcellflow preprocess on it first")]
    return [
        Fault("the entry is missing", entry.place, "re-run tcellflow preprocess")
        for entry in contract.entries
        if entry.required and entry.place not in places
    ]
