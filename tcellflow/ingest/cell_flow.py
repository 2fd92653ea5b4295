"""The cells of one matrix on their way through screening into the cells file.

Invariant: each block is read, judged and written before the next is read, so that memory does not
grow with the counts; only a row of measurements per cell is kept.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.normalise import sum_rows
from tcellflow.cells.quality import RemovalReason, check_cells_left, covers_transcriptome
from tcellflow.errors import OptionsError
from tcellflow.ingest.notices import Severe
from tcellflow.ingest.protein_tables import ProteinTables
from tcellflow.ingest.screening import Screen
from tcellflow.ingest.values import LibrarySizes, ValueReader
from tcellflow.receptors.clonotypes import assign_clones
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.vocabulary import SELECTION_GENES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tcellflow.ingest.inputs import Expression, SampleInputs
    from tcellflow.ingest.screening import Screening
    from tcellflow.io.h5ad.cells_writer import CellsWriter
    from tcellflow.provenance import JsonValue, StepNote
    from tcellflow.receptors.chains import ChosenChains

logger = logging.getLogger(__name__)

_LEAST_T_SHARE: Final = 0.01
_LEAST_USUAL_SHARE: Final = 0.8  # a sample of called cells rarely loses more to quality control


class CellFlow:
    """Screens the cells of one matrix and writes those that stay.

    Parameters
    ----------
    inputs
        The opened sample, with expression.
    screening
        What is asked of its cells.

    Raises
    ------
    InputError
        If the library size column is absent or holds anything but positive numbers; cells without a
        library size are removed and counted.
    """

    def __init__(self, inputs: SampleInputs, screening: Screening) -> None:
        if inputs.expression is None:
            message = "a cell flow needs expression"
            raise ValueError(message)
        self._expression: Expression = inputs.expression
        self._inputs = inputs
        self._screening = screening
        self._source = self._expression.source
        self._screen = Screen(
            self._expression.genes.symbols, screening.thresholds, t_cells_only=screening.t_cells_only
        )
        chains = pd.DataFrame(columns=["cell_id", "locus", "rank"])
        if inputs.chains is not None:
            chains = inputs.chains.chains
        self._classes = summarise_cells(chains, self._source.barcodes)
        column = screening.library_size_column
        self._sizes = None if column is None else LibrarySizes(self._source, column)
        self._reader = ValueReader(self._expression)
        self._is_kept: list[NDArray[np.bool_]] = []
        self._obs: list[pd.DataFrame] = []
        self._proteins = None
        if inputs.proteins is not None:
            self._proteins = ProteinTables(inputs.proteins, self._expression)

    @property
    def warnings(self) -> list[str]:
        """What the user should know once all cells have passed, as sentences."""
        warnings = list(self._screening.thresholds.notes)
        symbols = self._expression.genes.symbols
        n_genes = len(symbols)
        is_selection = n_genes < SELECTION_GENES or not covers_transcriptome(symbols)
        if self._sizes is None and is_selection:
            mend = (
                "name the column of true library sizes with --library-size-column"
                if self._reader.kind == "counts"
                else "give the raw counts with --library-size-column"
            )
            warnings.append(
                Severe(
                    f"the matrix has {n_genes:,} genes: if they were selected from more, X is inflated, "
                    f"because each cell is scaled to the sum of these genes; {mend}"
                )
            )
        if self._reader.kind == "corrected_counts":
            warnings.append(
                Severe(
                    f"{self._source.slot} holds counts with fractions (corrected for ambient molecules, or "
                    "pseudo-aligned): X is computed from them as they are, quality control looks at them "
                    "rounded, and no counts are written"
                )
            )
        tally = self._screen.tally
        if self._screen.n_t_cells < _LEAST_T_SHARE * tally.n_kept:
            warnings.append(
                Severe(
                    f"{self._screen.n_t_cells or 'none'} of the {tally.n_kept:,} cells are T cells: is it "
                    "the right sample? Other cells get no state"
                )
            )
        n_sizeless = tally.removed[RemovalReason.NO_LIBRARY_SIZE]
        if n_sizeless:
            warnings.append(f"{n_sizeless:,} cells were removed, for they have no library size")
        if tally.n_kept < _LEAST_USUAL_SHARE * tally.n_input:
            warnings.append(
                Severe(
                    f"quality control removed {tally.n_input - tally.n_kept:,} of {tally.n_input:,} cells; "
                    "see 'removed' in the quality report, and the thresholds there"
                )
            )
        return warnings + ([] if self._proteins is None else self._proteins.warnings)

    def run(self, writer: CellsWriter, progress: Callable[[int, int], None]) -> None:
        """Stream the matrix through screening into the file.

        Parameters
        ----------
        writer
            The cells file being written.
        progress
            Called with (cells done, cells in all).

        Raises
        ------
        InputError
            If the matrix holds anything but counts or log1p(counts per 10,000), a library size is smaller
            than the counts seen, or no cell passes.
        OptionsError
            If library sizes are given for log-normalised values.
        """
        done, n_cells = 0, len(self._source.barcodes)
        for block in self._source.blocks():
            self._pass_block(block, done, writer)
            done += block.shape[0]
            progress(done, n_cells)
        if not self._obs:  # no cell at all: the tables have their columns all the same
            nothing = sparse.csr_matrix(np.zeros((0, len(self._source.features)), dtype=np.int32))
            self._pass_block(nothing, 0, writer)
        self._reader.check_end()
        check_cells_left(self._screen.tally, where=self._source.path)

    def _pass_block(self, block: sparse.csr_matrix, first: int, writer: CellsWriter) -> None:
        values = self._reader.read(block, first)
        totals = None
        if self._sizes is not None:
            self._check_sizes_fit()
            totals = self._sizes.of_rows(first, sum_rows(values.counts))
        classes = self._classes.iloc[first : first + block.shape[0]]
        doublets = self._inputs.doublets
        of_block = None if doublets is None else doublets[first : first + block.shape[0]]
        judged = self._screen.judge(values.counts, classes, totals, of_block)
        self._is_kept.append(judged.is_kept)
        self._obs.append(judged.obs)
        if self._proteins is not None:
            self._proteins.keep(block, first, judged.is_kept)
        if values.logs is None:
            kept = _rows(values.counts, judged.is_kept)
            writer.append_counts(kept, None if totals is None else totals[judged.is_kept])
        else:
            writer.append_log(_rows(values.logs, judged.is_kept))

    def _check_sizes_fit(self) -> None:
        if self._reader.kind != "counts":
            raise OptionsError(
                "the matrix holds log-normalised values or counts with fractions, which cannot be scaled "
                "to a library size any more",
                where="--library-size-column",
                mend="give the raw counts, or leave the option out",
            )

    def kept_cells(self) -> NDArray[np.object_]:
        """Give the names of the cells that stayed, in file order."""
        return self._source.barcodes[self._mask()]

    def _mask(self) -> NDArray[np.bool_]:
        return np.concatenate([np.zeros(0, dtype=bool), *self._is_kept])

    def finish(
        self,
        writer: CellsWriter,
        note: StepNote,
        *,
        chains: ChosenChains | None,
        sample_id: str,
        donor: str | None,
    ) -> None:
        """Write what is known of the cells, and close the file.

        Parameters
        ----------
        writer
            The cells file being written.
        note
            Provenance.
        chains
            Chains of the cells that stayed.
        sample_id
            Name of the sample.
        donor
            Donor of all cells; None = as the file says, else the sample.

        Raises
        ------
        InputError
            If a column of the user's cannot be stored, or antibody names are repeated.
        """
        mask = self._mask()
        donors = self._inputs.donors
        ours = pd.concat([pd.DataFrame(), *self._obs], ignore_index=True)
        ours.index = pd.Index(self.kept_cells(), name="cell_id")
        classes = self._classes[mask].drop(columns="doublet_suspect")
        ours = pd.concat([ours, classes.set_axis(ours.index)], axis=1)
        ours.insert(0, "sample_id", sample_id)
        ours.insert(1, "donor", donor or sample_id if donors is None else donors[mask])
        ours = _with_clones(ours, chains, self._screening)
        obsm: dict[str, pd.DataFrame] = {}
        entries: dict[str, object] = {"counts_kind": self._reader.kind}
        if self._proteins is not None:
            ours["has_adt"] = self._proteins.has_adt(mask)
            obsm = self._proteins.tables(mask)
            entries["antibodies"] = self._proteins.antibodies
        obs = self._with_users_columns(ours, mask)
        writer.finish(obs, note=note, obsm=obsm, entries=entries)

    def _with_users_columns(self, ours: pd.DataFrame, mask: NDArray[np.bool_]) -> pd.DataFrame:
        theirs = self._source.obs
        if theirs is None:
            return ours
        taken = [str(name) for name in theirs.columns if name in ours.columns]
        changed = [name for name in taken if not _is_same(theirs.loc[mask, name], ours[name])]
        if changed:
            logger.info("columns of the input that tcellflow writes anew: %s", ", ".join(changed))
        rest = theirs.loc[mask, [name for name in theirs.columns if name not in taken]]
        return pd.concat([ours, rest.set_axis(ours.index)], axis=1)

    def account(self) -> dict[str, JsonValue]:
        """Give the part of qc.json on cells, genes, gate and proteins."""
        tally = self._screen.tally.as_dict()
        cells: dict[str, JsonValue] = {
            "input": tally["n_input"],
            "kept": tally["n_kept"],
            "removed": tally["removed"],
            "thresholds": tally["thresholds"],
        }
        passed_over: list[JsonValue] = [
            {"place": look.name, "n_features": look.n_features, "holds": look.holds.words}
            for look in self._source.choice.passed_over
        ]
        account: dict[str, JsonValue] = {
            "counts_kind": self._reader.kind,
            "matrix": {
                "format": str(self._source.kind),
                "place": self._source.slot,
                "n_cells": len(self._source.barcodes),
                "n_features": len(self._source.features),
                "other_features": dict(self._expression.features.other_types),
                "library_size": self._screening.library_size_column or "sum of the counts",
                **({"passed_over": passed_over} if passed_over else {}),
            },
            "genes": self._expression.genes.report.as_dict(),
            "cells": cells,
            "gate": self._screen.gate_account(),
            "distributions": self._screen.distributions(),
        }
        if self._proteins is not None:
            account["proteins"] = self._proteins.account(self._mask())
        return account


def _is_same(theirs: pd.Series, ours: pd.Series) -> bool:
    left, right = ([None if pd.isna(x) else x for x in values.astype(object)] for values in (theirs, ours))
    return left == right


def _rows(block: sparse.csr_matrix, is_kept: NDArray[np.bool_]) -> sparse.csr_matrix:
    return block if is_kept.all() else sparse.csr_matrix(block[np.flatnonzero(is_kept)])


def _with_clones(obs: pd.DataFrame, chains: ChosenChains | None, screening: Screening) -> pd.DataFrame:
    if chains is None:
        return obs.assign(
            clone_id=pd.Series([None] * len(obs), index=obs.index, dtype=object), clone_size=np.int32(0)
        )
    clones = assign_clones(
        chains.chains, orphans=screening.orphans, dual_chains=screening.dual_chains
    ).reindex(obs.index)
    return obs.assign(
        clone_id=clones["clone_id"].astype(object),
        clone_size=clones["clone_size"].fillna(0).astype(np.int32),
    )
