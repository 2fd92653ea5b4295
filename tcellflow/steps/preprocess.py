"""``preprocess``: a sample's files become one cells file, one chains table and one account of both.

Invariant: the matrix passes once, block by block; what is removed is counted under one reason, and
what is doubtful is flagged, never dropped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tcellflow.cells.quality import choose_thresholds
from tcellflow.contracts.qc import Qc
from tcellflow.contracts.tables import CHAINS
from tcellflow.ingest.barcode_matching import Matching
from tcellflow.ingest.cell_flow import CellFlow
from tcellflow.ingest.inputs import open_sample
from tcellflow.ingest.notices import Severe, choose_lines, order_warnings
from tcellflow.ingest.receptor_account import account_for_receptors
from tcellflow.ingest.screening import Screening
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.chains import build_chain_table
from tcellflow.io.tables.parquet import write_table
from tcellflow.io.tables.step_documents import write_document
from tcellflow.provenance import StepNote, digest_file
from tcellflow.receptors.clonotypes import CloneLevel, assign_clones
from tcellflow.receptors.contigs import REASON_MEANINGS
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.steps.options import PreprocessOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName, output_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.ingest.inputs import Expression, SampleInputs
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.chains import ChosenChains
    from tcellflow.steps.progress import Progress

__all__ = ["PreprocessOptions", "preprocess"]

logger = logging.getLogger(__name__)

# Options that say where things are or how to go on, and never change what is written.
_PLACES = {"output", "prefix", "gex", "tcr", "adt", "force"}


def preprocess(
    options: PreprocessOptions, *, progress: Progress = quiet, tell_all: bool = False
) -> list[Path]:
    """Run the step preprocess for one sample.

    Parameters
    ----------
    options
        What to read and how.
    progress
        Called with (cells done, cells in all).
    tell_all
        Whether every warning is logged, however many, because nobody will see the account.

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
    options.check_agreement()
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
            layer=options.layer,
            matching=Matching(
                options.barcode_rule,
                allow_low_overlap=options.allow_low_overlap,
                tcr_sample=options.tcr_sample,
            ),
        )
        note = _make_note(options)
        account: dict[str, JsonValue] = {"sample_id": options.prefix}
        warnings = list(inputs.warnings)
        chains = inputs.chains
        kept_cells = np.empty(0, dtype=object) if chains is None else chains.chains["cell_id"].unique()
        if cells_path is not None and inputs.expression is not None:
            with write_cells(cells_path, _describe_genes(inputs.expression), options.compression) as writer:
                flow = CellFlow(inputs, _screening(options, inputs.expression))
                flow.run(writer, progress)
                kept_cells = flow.kept_cells()
                chains = None if chains is None else chains.of_cells(kept_cells)
                flow.finish(writer, note, chains=chains, sample_id=options.prefix, donor=options.donor)
            account |= flow.account()
            warnings += flow.warnings
        if chains_path is not None and chains is not None:
            write_table(chains_path, build_chain_table(chains.chains, sample_id=options.prefix), CHAINS, note)
            account["receptors"] = _account_for_receptors(inputs, chains, kept_cells, options)
            if chains.chains.empty:
                warnings.append(Severe(_tell_why_empty(chains)))
        told = order_warnings(warnings)
        for line in told if tell_all else choose_lines(told, output_name(options.prefix, OutputName.QC)):
            logger.warning(line)
        write_document(qc_path, {**account, "warnings": list(told)}, note, Qc)
        return outputs.commit()


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
        dual_chains=options.dual_chains,
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
    inputs: SampleInputs, chains: ChosenChains, cells: NDArray[np.object_], options: PreprocessOptions
) -> dict[str, JsonValue]:
    found = account_for_receptors(chains, summarise_cells(chains.chains, cells))
    assigned = assign_clones(chains.chains, orphans=options.orphans, dual_chains=options.dual_chains)
    clones = assigned.drop_duplicates("clone_id")
    found["clones"] = {str(level): int((clones["clone_level"] == level).sum()) for level in CloneLevel}
    if inputs.receptor_match is not None:
        found["barcodes"] = inputs.receptor_match.as_dict()
    return found
