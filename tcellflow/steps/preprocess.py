"""``preprocess``: a sample's files become one cells file, one chains table and one account of both.

Invariant: the matrix passes once, block by block; what is removed is counted under one reason, and
what is doubtful is flagged, never dropped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from tcellflow.cells.quality import choose_thresholds
from tcellflow.contracts.qc import Qc
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import OptionsError
from tcellflow.ingest.cell_flow import CellFlow, Screening
from tcellflow.ingest.cell_names import Matching
from tcellflow.ingest.inputs import open_sample
from tcellflow.ingest.receptor_account import account_for_receptors
from tcellflow.io.h5ad.cells_reader import write_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.chain_table import build_chain_table
from tcellflow.io.tables.parquet import write_table
from tcellflow.io.tables.step_documents import write_document
from tcellflow.provenance import StepNote, digest_file
from tcellflow.receptors.clonotypes import CloneLevel, assign_clones
from tcellflow.receptors.contigs import REASON_MEANINGS
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.ingest.inputs import Expression, SampleInputs
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.chains import ChosenChains
    from tcellflow.receptors.clonotypes import Orphans
    from tcellflow.steps.progress import Progress

logger = logging.getLogger(__name__)

# Options that say where things are or how to go on, and never change what is written.
_PLACES = {"output", "prefix", "gex", "tcr", "adt", "force"}


@dataclass(frozen=True)
class PreprocessOptions:
    """Options of ``preprocess``.

    Parameters
    ----------
    output
        Output folder.
    prefix
        Sample name: file names start with it, and it is the ``sample_id`` of every cell.
    gex
        Expression matrix; may be None where receptors are given.
    tcr
        Receptor files; may be empty where expression is given.
    adt
        Antibody counts beside the expression file.
    donor
        Donor of all cells; None = as the files say, else the sample.
    min_genes, min_counts, max_pct_mt
        Thresholds of quality control; None = the default that suits the matrix.
    t_cells_only
        Drop cells that the T-cell gate does not call T cells.
    barcode_rule
        How cell names of two files are matched, or "auto".
    allow_low_overlap
        Go on although two files share less than a tenth of their cells.
    orphans
        Clone of cells with a single chain.
    library_size_column
        obs column of the expression file with each cell's true counts.
    species
        Species of the sample.
    force
        Whether finished outputs may be replaced.
    """

    output: Path
    prefix: str
    gex: Path | None = None
    tcr: tuple[Path, ...] = ()
    adt: Path | None = None
    donor: str | None = None
    min_genes: int | None = None
    min_counts: int | None = None
    max_pct_mt: float | None = None
    t_cells_only: bool = False
    barcode_rule: str = "auto"
    allow_low_overlap: bool = False
    orphans: Literal["strict", "rescue"] = "strict"
    library_size_column: str | None = None
    species: str = "human"
    force: bool = False


def preprocess(options: PreprocessOptions, *, progress: Progress = quiet) -> list[Path]:
    """Preprocess one sample.

    Parameters
    ----------
    options
        What to read and how.
    progress
        Called with (cells done, cells in all).

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.cells.h5ad`` (with expression), ``<prefix>.chains.parquet`` (with receptors) and
        ``<prefix>.qc.json``.

    Raises
    ------
    InputError
        If an input is unreadable, contradictory or not what it should be, or no cell passes.
    OptionsError
        If neither expression nor receptors are given, or options contradict each other.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    _check_options(options)
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        # staged first: an output that exists is told before any work is done
        cells_path = outputs.path(OutputName.CELLS) if options.gex else None
        chains_path = outputs.path(OutputName.CHAINS) if options.tcr else None
        qc_path = outputs.path(OutputName.QC)
        inputs = open_sample(
            options.gex,
            options.tcr,
            options.adt,
            sample_id=options.prefix,
            donor=options.donor,
            species=options.species,
            matching=Matching(options.barcode_rule, allow_low_overlap=options.allow_low_overlap),
        )
        note = _make_note(options)
        account: dict[str, JsonValue] = {"sample_id": options.prefix}
        warnings = list(inputs.warnings)
        chains = inputs.chains
        kept_cells = np.empty(0, dtype=object) if chains is None else chains.chains["cell_id"].unique()
        if cells_path is not None and inputs.expression is not None:
            with write_cells(cells_path, _describe_genes(inputs.expression)) as writer:
                flow = CellFlow(inputs, _screening(options, inputs.expression))
                flow.run(writer, progress)
                kept_cells = flow.kept_cells()
                chains = None if chains is None else chains.of_cells(kept_cells)
                flow.finish(writer, note, chains=chains, sample_id=options.prefix, donor=options.donor)
            account |= flow.account()
            warnings += flow.warnings
        if chains_path is not None and chains is not None:
            write_table(chains_path, build_chain_table(chains.chains, sample_id=options.prefix), CHAINS, note)
            account["receptors"] = _account_for_receptors(inputs, chains, kept_cells, options.orphans)
            if chains.chains.empty:
                warnings.append(_tell_why_empty(chains))
        for warning in warnings:
            logger.warning(warning)
        write_document(qc_path, {**account, "warnings": list(warnings)}, note, Qc)
        return outputs.commit()


def _check_options(options: PreprocessOptions) -> None:
    if options.donor is not None and not options.donor.strip():
        raise OptionsError(
            "the donor's name is empty", where="--donor", mend="name the donor, or leave it out"
        )
    if options.gex is None and not options.tcr:
        raise OptionsError(
            "neither expression nor receptors are given",
            where="--gex, --tcr",
            mend="give at least one of them",
        )
    for name, value in (("--adt", options.adt), ("--library-size-column", options.library_size_column)):
        if options.gex is None and value is not None:
            raise OptionsError(f"{name} needs an expression file", where=name, mend="give --gex as well")
    if options.gex is None and options.t_cells_only:
        raise OptionsError(
            "T cells are told by their expression", where="--t-cells-only", mend="give --gex as well"
        )


def _make_note(options: PreprocessOptions) -> StepNote:
    inputs = {"gex": options.gex, "adt": options.adt}
    inputs |= {f"tcr{number or ''}": path for number, path in enumerate(options.tcr)}
    return StepNote(
        "preprocess",
        options={name: value for name, value in vars(options).items() if name not in _PLACES},
        inputs={role: digest_file(path) for role, path in inputs.items() if path is not None},
    )


def _screening(options: PreprocessOptions, expression: Expression) -> Screening:
    thresholds = choose_thresholds(
        expression.genes.symbols,
        min_genes=options.min_genes,
        min_counts=options.min_counts,
        max_pct_mt=options.max_pct_mt,
    )
    return Screening(
        thresholds,
        t_cells_only=options.t_cells_only,
        orphans=options.orphans,
        library_size_column=options.library_size_column,
    )


def _describe_genes(expression: Expression) -> pd.DataFrame:
    genes = expression.genes
    return pd.DataFrame(
        {"gene_ids": genes.ensembl_ids, "gene_name_raw": genes.raw_names},
        index=pd.Index(genes.symbols, dtype=object),
    )


def _tell_why_empty(chains: ChosenChains) -> str:
    if chains.rows_read == 0:
        return "the receptor files hold no contigs"
    reasons = sorted(chains.dropped.items(), key=lambda item: -item[1])
    shown = "; ".join(f"{count:,}: {REASON_MEANINGS[reason]}" for reason, count in reasons if count)
    return f"no T-cell receptor chain is left of {chains.rows_read:,} contigs ({shown})"


def _account_for_receptors(
    inputs: SampleInputs, chains: ChosenChains, cells: NDArray[np.object_], orphans: Orphans
) -> dict[str, JsonValue]:
    found = account_for_receptors(chains, summarise_cells(chains.chains, cells))
    clones = assign_clones(chains.chains, orphans=orphans).drop_duplicates("clone_id")
    found["clones"] = {str(level): int((clones["clone_level"] == level).sum()) for level in CloneLevel}
    if inputs.receptor_match is not None:
        found["barcodes"] = inputs.receptor_match.as_dict()
    return found
