"""What a cohort's page is made from: a few numbers and the distinct receptors of each sample.

Invariant: one sample's tables are in memory at a time; of its receptors 8 bytes each stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.qc import Qc
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.io.tables.step_documents import read_document
from tcellflow.report.listing import flatten
from tcellflow.report.sections.verdict import Findings, Verdict, judge_findings
from tcellflow.vocabulary import STATE_UNRESOLVED, Locus, OutputName, State, output_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.vocabulary import Programme

RECEPTOR: Final = ["v_call", "junction_aa"]


@dataclass(frozen=True)
class CohortSample:
    """What the cohort's page knows of one sample.

    Parameters
    ----------
    name
        Prefix of its files.
    chains_file
        Its chains table; None without receptors.
    donor
        Empty where no file names it.
    verdict
        Whether the sample can be trusted, as its own report says it.
    n_cells, n_t_cells
        Cells kept, and T cells among them.
    states
        T cells by reported state, in the order of `State`.
    n_unresolved
        T cells without a state.
    shift, overlap
        Distance from the bundle's cells, and overlap of the barcodes, 0-1; None where not measured.
    n_warnings
        Warnings of its steps.
    made_by
        Version of tcellflow and digest of the bundle.
    options
        What predict was asked for, by name.
    programmes
        Mean strength of each programme over the T cells, None where not measurable; empty where not told.
    receptors
        Hashes of its distinct beta chains, uint64, rising.
    """

    name: str
    chains_file: Path | None
    donor: str
    verdict: Verdict
    n_cells: int
    n_t_cells: int
    states: tuple[int, ...]
    n_unresolved: int
    shift: float | None
    overlap: float | None
    n_warnings: int
    made_by: tuple[str, str]
    options: Mapping[str, str]
    programmes: Mapping[Programme, float | None]
    receptors: NDArray[np.uint64]


def read_cohort(folders: Sequence[Path]) -> tuple[CohortSample, ...]:
    """Read for the cohort's report what each sample of the folders says of itself, by name.

    Raises
    ------
    InputError
        If a folder holds no sample with predictions, or two samples have one name.
    ContractError
        If a file breaks its contract.
    """
    ending = output_name("", OutputName.METRICS)
    samples: dict[str, CohortSample] = {}
    for folder in folders:
        found = sorted(path for path in folder.iterdir() if path.name.endswith(ending))
        if not found:
            raise InputError(
                "the folder holds no sample with predictions (no metrics.json)",
                where=folder,
                mend="name the output folders of tcellflow run or predict",
            )
        for path in found:
            name = path.name.removesuffix(ending)
            if name in samples:
                raise InputError(
                    f"two samples are called '{name}'", where=path, mend="give each sample its own --prefix"
                )
            samples[name] = _read_sample(folder, name)
    return tuple(samples[name] for name in sorted(samples))


def _read_sample(folder: Path, name: str) -> CohortSample:
    metrics = read_document(folder / output_name(name, OutputName.METRICS), Metrics)
    qc_file = folder / output_name(name, OutputName.QC)
    qc = read_document(qc_file, Qc) if qc_file.is_file() else None
    chains_file = folder / output_name(name, OutputName.CHAINS)
    has_chains = chains_file.is_file()
    receptors, donors = read_receptors(chains_file) if has_chains else (pd.DataFrame(columns=RECEPTOR), [])
    barcodes = qc.receptors.barcodes if qc and qc.receptors else None
    return CohortSample(
        name=name,
        chains_file=chains_file if has_chains else None,
        donor=", ".join(donors),
        verdict=judge_findings(
            Findings(
                n_input=qc.cells.input if qc and qc.cells else None,
                n_kept=qc.cells.kept if qc and qc.cells else None,
                n_t_cells=metrics.n_t_cells,
                n_unresolved=metrics.states.get(STATE_UNRESOLVED, 0),
                barcodes=barcodes,
                coverage=metrics.panel.coverage,
                discord=metrics.shift.parts,
            )
        ),
        n_cells=metrics.n_cells,
        n_t_cells=metrics.n_t_cells,
        states=tuple(metrics.states.get(state, 0) for state in State),
        n_unresolved=metrics.states.get(STATE_UNRESOLVED, 0),
        shift=metrics.shift.score,
        overlap=barcodes.overlap if barcodes else None,
        n_warnings=len(metrics.warnings) + (len(qc.warnings) if qc else 0),
        made_by=(metrics.note.version, metrics.bundle.sha256),
        options=dict(flatten(metrics.note.options)),
        programmes=metrics.programmes.all if metrics.programmes else {},
        receptors=np.unique(hash_receptors(receptors)),
    )


def read_receptors(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the distinct strongest beta chains and the donors of one sample of the cohort's report."""
    table = read_table(path, CHAINS, ["locus", "rank", "donor", *RECEPTOR]).to_pandas()
    strongest = table.loc[(table["locus"] == Locus.TRB) & (table["rank"] == 1), RECEPTOR].dropna()
    return strongest.astype(str).drop_duplicates(), sorted(table["donor"].dropna().astype(str).unique())


def hash_receptors(receptors: pd.DataFrame) -> NDArray[np.uint64]:
    """Give each receptor of the cohort's report a number, the same in every sample."""
    return np.asarray(pd.util.hash_pandas_object(receptors, index=False), np.uint64)
