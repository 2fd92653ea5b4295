"""One sample's inputs, opened together and brought onto the expression file's cell names.

Invariant: whatever leaves here speaks of cells by their names in the expression matrix (or, without
one, in the receptor file), and every input that was given is used or refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from tcellflow.cells.barcodes import reconcile_barcodes
from tcellflow.cells.counts import check_counts_block
from tcellflow.errors import InputError, OptionsError
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.io.antibodies import AntibodyCounts, read_antibody_table
from tcellflow.io.hdf5 import is_hdf5
from tcellflow.io.matrix import open_matrix, split_features
from tcellflow.io.mtx_entries import is_matrix_market
from tcellflow.io.receptors import read_receptors
from tcellflow.io.store import check_is_file
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.rows import join_raw_chains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.cells.barcodes import BarcodeMap
    from tcellflow.genes.symbols import HarmonisedGenes
    from tcellflow.io.features import FeatureSplit
    from tcellflow.io.matrix import MatrixSource
    from tcellflow.receptors.chains import ChosenChains
    from tcellflow.receptors.rows import RawChains

_DONOR_COLUMNS = ("donor", "donor_id")  # ours and CELLxGENE's


@dataclass(frozen=True)
class Expression:
    """The opened expression matrix with its genes under approved symbols.

    Parameters
    ----------
    source
        The matrix.
    features
        Which of its columns are genes, antibodies or something else.
    genes
        The genes, harmonised.
    """

    source: MatrixSource
    features: FeatureSplit
    genes: HarmonisedGenes

    def take_genes(self, block: sparse.csr_matrix) -> sparse.csr_matrix:
        """Take the gene columns of a block, those of one gene summed.

        Parameters
        ----------
        block
            Rows of the matrix, shape (cells, features).

        Returns
        -------
        scipy.sparse.csr_matrix
            Shape (cells, genes), in the order of ``genes.symbols``.
        """
        if not self.features.genes.all():
            block = block[:, np.flatnonzero(self.features.genes)]
        return sparse.csr_matrix(self.genes.merge_columns(block))


@dataclass(frozen=True)
class Proteins:
    """Antibody counts on the rows of the expression matrix.

    Parameters
    ----------
    names
        Antibody names as the file spells them, length P.
    counts
        int32 CSR, shape (cells, P); None where they are columns of the matrix and come by the block.
    has_adt
        Whether a cell was in the antibody file, shape (cells,).
    place
        Where they were found.
    barcodes
        How the antibody file's cells were matched; None where they share the matrix's rows.
    """

    names: tuple[str, ...]
    counts: sparse.csr_matrix | None
    has_adt: NDArray[np.bool_]
    place: str
    barcodes: BarcodeMap | None = None


@dataclass(frozen=True)
class SampleInputs:
    """Everything one sample has.

    Parameters
    ----------
    expression, proteins, chains
        What was given; None = not given.
    donors
        Donor of each cell of the matrix; None where the sample is the donor.
    receptor_barcodes
        How the receptor file's cells were matched; None without expression.
    warnings
        What the user should know, as sentences.
    """

    expression: Expression | None
    proteins: Proteins | None
    chains: ChosenChains | None
    donors: NDArray[np.object_] | None = None
    receptor_barcodes: BarcodeMap | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matching:
    """How cell names of two files are matched.

    Parameters
    ----------
    rule
        "auto" or a barcode rule.
    allow_low_overlap
        Whether files may share less than a tenth of their cells.
    """

    rule: str = "auto"
    allow_low_overlap: bool = False

    def match(self, left: NDArray[np.object_], right: NDArray[np.object_], where: object) -> BarcodeMap:
        """Match the cells of two files.

        Parameters
        ----------
        left, right
            Cell names of the expression file and of the other.
        where
            The other file.

        Returns
        -------
        BarcodeMap
            Right name to left name.
        """
        return reconcile_barcodes(
            left, right, rule=self.rule, allow_low_overlap=self.allow_low_overlap, where=where
        )


def open_sample(
    gex: Path | None,
    tcr: Sequence[Path],
    adt: Path | None,
    *,
    sample_id: str,
    donor: str | None = None,
    species: str = "human",
    matching: Matching | None = None,
) -> SampleInputs:
    """Open all inputs of one sample.

    Parameters
    ----------
    gex
        Expression matrix.
    tcr
        Receptor files; several are joined.
    adt
        Antibody counts beside the matrix; the matrix's own path means those inside it.
    sample_id
        Name of the sample; also the donor where none is known.
    donor
        Donor of all cells; None = as the files say.
    species
        Species of the sample.
    matching
        How cell names are matched; by default all rules are tried.

    Returns
    -------
    SampleInputs
        Opened, named and matched; the counts are not read yet.

    Raises
    ------
    InputError
        If a file is unreadable or contradictory, or two files do not belong together.
    OptionsError
        If antibody counts are given twice, the species is unknown or a rule is not understood.
    """
    matching = matching or Matching()
    warnings: list[str] = []
    expression = proteins = None
    donors: NDArray[np.object_] | None = None
    if gex is not None:
        expression = _open_expression(gex)
        donors = None if donor is not None else _find_donors(expression.source)
        proteins = _open_proteins(expression, adt, matching)
    chains, receptor_barcodes = None, None
    if tcr:
        raw = join_raw_chains([read_receptors(path, species=species) for path in tcr])
        if expression is not None:
            receptor_barcodes = matching.match(expression.source.barcodes, raw.cell_ids(), raw.where)
            raw = raw.renamed(receptor_barcodes.names)
            warnings += receptor_barcodes.warnings
        raw = _with_donors(raw, expression, donors, donor)
        if donor is None and donors is None and raw.rows["donor"].isna().any():
            warnings.append(f"no donor is known: the sample '{sample_id}' is taken for one donor (--donor)")
        chains = choose_chains(raw, donor=donor or sample_id, species=species)
        warnings += chains.warnings
    if proteins is not None and proteins.barcodes is not None:
        warnings += proteins.barcodes.warnings
    return SampleInputs(expression, proteins, chains, donors, receptor_barcodes, tuple(warnings))


def _open_expression(path: Path) -> Expression:
    source = open_matrix(path)
    features = split_features(source)
    names, ids = source.features.names[features.genes], source.features.ids[features.genes]
    if len(names) == 0 and len(source.features):
        raise InputError(
            "the file holds no gene expression, only "
            f"{int(features.antibodies.sum())} antibodies and {int(features.others.sum())} other features",
            where=path,
            mend="give the matrix with gene expression as --gex, and this one as --adt",
        )
    return Expression(source, features, harmonise_genes(ids, names, where=path))


def _find_donors(source: MatrixSource) -> NDArray[np.object_] | None:
    obs = source.obs
    column = next((name for name in _DONOR_COLUMNS if obs is not None and name in obs), None)
    if obs is None or column is None or obs[column].isna().any():
        return None
    return obs[column].astype(str).to_numpy(dtype=object)


def _with_donors(
    raw: RawChains, expression: Expression | None, donors: NDArray[np.object_] | None, donor: str | None
) -> RawChains:
    """Let the option, then the expression file, then the receptor file say whose a chain is."""
    if donor is not None:
        return replace(raw, rows=raw.rows.assign(donor=donor))
    if expression is None or donors is None:
        return raw
    known: dict[str, Any] = dict(zip(expression.source.barcodes, donors, strict=True))
    return replace(raw, rows=raw.rows.assign(donor=raw.rows["cell_id"].map(known).to_numpy(dtype=object)))


def _open_proteins(expression: Expression, adt: Path | None, matching: Matching) -> Proteins | None:
    source = expression.source
    inside = _proteins_inside(expression)
    if adt is None:
        return inside
    if adt.resolve() == source.path.resolve():
        if inside is None:
            raise InputError(
                "the file holds no antibody counts", where=adt, mend="leave --adt out, or name their own file"
            )
        return inside
    if inside is not None:
        raise OptionsError(
            f"antibody counts are in the expression file already ({len(inside.names)}, {inside.place})",
            where=adt,
            mend="leave --adt out, or give an expression file without antibodies",
        )
    found = _read_proteins(adt, source.barcodes)
    barcodes = matching.match(source.barcodes, found.cell_ids, adt)
    return _place(found, source, adt.name, barcodes)


def _proteins_inside(expression: Expression) -> Proteins | None:
    source, columns = expression.source, expression.features.antibodies
    if columns.any():
        names = tuple(str(name) for name in source.features.names[columns])
        has_adt = np.ones(len(source.barcodes), dtype=bool)
        return Proteins(names, None, has_adt, f"features of {source.kind}")
    found = source.read_antibodies()
    return None if found is None else _place(found, source, f"beside the matrix of {source.kind}", None)


def _place(found: AntibodyCounts, source: MatrixSource, place: str, barcodes: BarcodeMap | None) -> Proteins:
    """Put antibody counts onto the rows of the matrix; cells without any get an empty row."""
    row_of = {name: row for row, name in enumerate(source.barcodes)}
    names = found.cell_ids if barcodes is None else [barcodes.names.get(name) for name in found.cell_ids]
    rows = np.array([row_of.get(name, -1) for name in names], dtype=np.int64)
    kept = np.flatnonzero(rows >= 0)
    moves = sparse.csr_matrix(
        (np.ones(len(kept), dtype=np.int32), (rows[kept], kept)), shape=(len(row_of), len(rows))
    )
    has_adt = np.zeros(len(row_of), dtype=bool)
    has_adt[rows[kept]] = True
    return Proteins(found.names, sparse.csr_matrix(moves @ found.counts), has_adt, place, barcodes)


def _read_proteins(path: Path, barcodes: NDArray[np.object_]) -> AntibodyCounts:
    if not path.is_dir():
        check_is_file(path)
        if not (is_hdf5(path) or is_matrix_market(path)):
            return read_antibody_table(path, barcodes.tolist())
    source = open_matrix(path)
    antibodies = split_features(source).antibodies
    columns = np.flatnonzero(antibodies) if antibodies.any() else np.arange(len(source.features))
    names = source.features.names[columns]
    parts, row = [sparse.csr_matrix(np.zeros((0, len(columns)), dtype=np.int32))], 0
    for block in source.blocks():
        part = block[:, columns]
        check_counts_block(part, row, source.barcodes, names, path)
        parts.append(part.astype(np.int32))
        row += part.shape[0]
    return AntibodyCounts(
        tuple(map(str, names)), source.barcodes, sparse.csr_matrix(sparse.vstack(parts, format="csr"))
    )
