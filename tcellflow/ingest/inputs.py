"""One sample's inputs, opened together and brought onto the expression file's cell names.

Invariant: whatever leaves here speaks of cells by their names in the expression matrix (or, without
one, in the receptor file), and every input that was given is used or refused.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.demultiplexing import find_doublets, find_nameless
from tcellflow.errors import InputError
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.ingest.barcode_matching import Matching, match_receptors
from tcellflow.ingest.notices import Severe
from tcellflow.ingest.proteins import open_proteins
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.contigs.scirpy import list_receptor_places
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import MatrixKind, split_features
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.contigs import join_raw_chains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.genes.symbols import GeneReport, HarmonisedGenes
    from tcellflow.ingest.barcode_matching import ReceptorMatch
    from tcellflow.ingest.proteins import Proteins
    from tcellflow.io.matrices.source import FeatureSplit, MatrixSource
    from tcellflow.receptors.chains import ChosenChains
    from tcellflow.receptors.contigs import RawChains

_LOG = logging.getLogger(__name__)
_MOST_UNKNOWN: Final = 0.5
_FEW_GENES: Final = 20
_N_WORDS: Final = 4
# What names that are no genes look like, and what they probably are.
_CAUSES: Final = (
    (re.compile(r"\d+$"), "they look like row numbers or Entrez ids"),
    (re.compile(r"ENST\d+"), "they are ids of transcripts, not of genes"),
    (re.compile(r".*(ENS[A-Z]{3,4}G\d+|[A-Z][a-z]+\d*$)"), "they look like genes of another species"),
    (re.compile(r"[NX][MR]_\d+"), "they are RefSeq transcripts, not genes"),
    (re.compile(r".*_at$"), "they look like probes of an array"),
    (re.compile(r"chr\w+[:_-]\d+"), "they look like peaks of chromatin, not genes"),
)
_DONOR_COLUMNS: Final = ("donor", "donor_id")  # ours and CELLxGENE's


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
        """Take the gene columns of a block (cells, features), those of one gene summed.

        Returns
        -------
        scipy.sparse.csr_matrix
            Shape (cells, genes), in the order of ``genes.symbols``.
        """
        if not self.features.genes.all():
            block = block[:, np.flatnonzero(self.features.genes)]
        return sparse.csr_matrix(self.genes.merge_columns(block))


@dataclass(frozen=True)
class SampleInputs:
    """Everything one sample has.

    Parameters
    ----------
    expression, proteins, chains
        What was given; None = not given.
    donors
        Donor of each cell of the matrix; None where the sample is the donor.
    doublets
        Which cells the expression file calls doublets of donors, shape (cells,); None without donors.
    receptor_match
        How the cells of the receptor files were matched; None without expression or receptors.
    warnings
        What the user should know, as sentences.
    """

    expression: Expression | None
    proteins: Proteins | None
    chains: ChosenChains | None
    donors: NDArray[np.object_] | None = None
    doublets: NDArray[np.bool_] | None = None
    receptor_match: ReceptorMatch | None = None
    warnings: tuple[str, ...] = ()


def open_sample(
    gex: Path | None,
    tcr: Sequence[Path],
    adt: Path | None,
    *,
    sample_id: str,
    donor: str | None = None,
    species: str = "human",
    matching: Matching | None = None,
    layer: str | None = None,
) -> SampleInputs:
    """Open all inputs of one sample together, on the expression file's cell names.

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
        Donor of all cells; None = as the expression file says, else as the receptor files say.
    species
        Species of the sample.
    matching
        How cell names are matched; by default all rules are tried.
    layer
        Matrix of an .h5ad or .h5mu file; None = what the values say.

    Returns
    -------
    SampleInputs
        Opened, named and matched; the counts are not read yet.

    Raises
    ------
    InputError
        If a file is unreadable or contradictory, or two files do not belong together.
    OptionsError
        If antibody counts are given twice, the species is unknown, a rule is not understood, or the receptor
        table lacks the sample.
    """
    matching = matching or Matching()
    if gex is None:
        raw = join_raw_chains(
            [read_receptors(path, species=species, sample=matching.tcr_sample) for path in tcr]
        )
        raw, _ = _leave_out_nameless(raw, np.empty(0, dtype=object))
        alone, warnings = _choose(raw, None, donor, sample_id, species)
        return SampleInputs(None, None, alone, warnings=warnings)
    chains: ChosenChains | None = None
    match: ReceptorMatch | None = None
    expression = name_genes(open_matrix(gex, slot=layer))
    proteins = open_proteins(expression.source, expression.features, adt, matching)
    donors, doublets, notes = _read_donors(expression.source, sample_id)
    if donor is not None:
        donors, notes = None, ()
    if tcr:
        parts = [read_receptors(path, species=species, sample=matching.tcr_sample) for path in tcr]
        raw, match = match_receptors(parts, expression.source.barcodes, matching)
        notes += match.warnings
        if donor is None and donors is None:
            raw, more_doublets = _leave_out_nameless(raw, expression.source.barcodes)
            doublets = more_doublets if doublets is None else doublets
            donors, more = _donors_of_chains(raw, expression.source.barcodes, sample_id)
            notes += more
        of_cell = None if donors is None else dict(zip(expression.source.barcodes, donors, strict=True))
        chains, warnings = _choose(raw, of_cell, donor, sample_id, species)
        notes += warnings
    notes += () if proteins is None else proteins.warnings
    if not tcr:
        notes += _name_receptors(expression.source)
    choice = expression.source.choice
    if choice.is_surprising:
        notes = (Severe(choice.line), *notes)
    elif choice.line:
        _LOG.info(choice.line)
    return SampleInputs(expression, proteins, chains, donors, doublets, match, notes)


def _name_receptors(source: MatrixSource) -> tuple[str, ...]:
    """Tell of receptors in the expression file, which are read where it is given as receptor file too."""
    if source.kind not in {MatrixKind.H5AD, MatrixKind.H5MU}:
        return ()
    with open_hdf5(source.path) as file:
        found = list_receptor_places(file)
    if not found:
        return ()
    told = (
        f"the expression file holds receptors too ({', '.join(found)}), which are not read: give it as --tcr"
    )
    return (f"{told} as well",)


def name_genes(source: MatrixSource) -> Expression:
    """Bring the genes of a sample's opened inputs under approved symbols.

    Raises
    ------
    InputError
        If it has cells but no genes, or its genes cannot be told apart or are unknown.
    """
    path, features = source.path, split_features(source)
    names, ids = source.features.names[features.genes], source.features.ids[features.genes]
    if len(source.features) == 0 and len(source.barcodes):
        raise InputError(
            f"the matrix has {len(source.barcodes):,} cells but no genes",
            where=path,
            mend="export it again with its genes",
        )
    if len(names) == 0 and len(source.features):
        raise InputError(
            "the file holds no gene expression, only "
            f"{int(features.antibodies.sum())} antibodies and {int(features.others.sum())} other features",
            where=path,
            mend="give the matrix with gene expression as --gex, and this one as --adt",
        )
    genes = harmonise_genes(ids, names, where=path)
    _check_known(genes.report, path)
    return Expression(source, features, genes)


def _check_known(report: GeneReport, path: Path) -> None:
    """Refuse genes of which most have names that no table knows: no marker would be found among them."""
    n_unknown = report.unknown.count
    if n_unknown < _FEW_GENES or n_unknown <= _MOST_UNKNOWN * report.n_input:
        return
    shown = report.unknown.examples[:3]
    cause = next((words for sign, words in _CAUSES if all(sign.match(name) for name in shown)), "")
    raise InputError(
        f"{n_unknown:,} of {report.n_input:,} gene names are unknown (e.g. {', '.join(shown)})"
        + (f": {cause}" if cause else ""),
        where=path,
        mend="name the genes by human symbols or Ensembl ids (in an .h5ad file, as var_names or in a column "
        "gene_symbols or gene_ids)",
    )


def _read_donors(
    source: MatrixSource, sample_id: str
) -> tuple[NDArray[np.object_] | None, NDArray[np.bool_] | None, tuple[str, ...]]:
    """Read the donors and doublets that the expression file names; cells without fall to the sample."""
    obs = source.obs
    column = next((name for name in _DONOR_COLUMNS if obs is not None and name in obs), None)
    if obs is None or column is None:
        return None, None, ()
    values = obs[column].astype(object)
    names = values.where(values.notna(), "").astype(str).str.strip().to_numpy(dtype=object)
    unknown, doublets = find_nameless(names), find_doublets(names)
    if unknown.all():
        return None, doublets, ()
    told = f"{int(unknown.sum())} of {len(names)} cells have no donor in '{column}'"
    words = Counter(names[unknown])
    if any(words):
        shown = [f"{count} {word or 'empty'}" for word, count in words.most_common(_N_WORDS)]
        told += f" ({', '.join(shown)})"
    told += f": they count as donor '{sample_id}'"
    if doublets.any():
        told += ", doublets are flagged"
    return np.where(unknown, sample_id, names), doublets, (Severe(told),) if unknown.any() else ()


def _leave_out_nameless(
    raw: RawChains, barcodes: NDArray[np.object_]
) -> tuple[RawChains, NDArray[np.bool_] | None]:
    """Take words of demultiplexing that name no donor out of receptor files; also tells its doublets."""
    names = raw.rows["donor"].fillna("").astype(str).to_numpy(dtype=object)
    is_nameless, is_doublet = find_nameless(names), find_doublets(names)
    found = raw.rows.loc[is_doublet, "cell_id"]
    donors = raw.rows["donor"].to_numpy(dtype=object).copy()
    donors[is_nameless] = None
    raw = replace(raw, rows=raw.rows.assign(donor=donors))
    return raw, np.isin(barcodes, found) if len(found) else None


def _donors_of_chains(
    raw: RawChains, barcodes: NDArray[np.object_], sample_id: str
) -> tuple[NDArray[np.object_] | None, tuple[str, ...]]:
    """Take the donors of the cells from the receptor files, as Cell Ranger multi and aggr name them."""
    named = raw.rows[raw.rows["donor"].notna()].drop_duplicates(["cell_id", "donor"])
    if named.empty:
        return None, ()
    torn = named.loc[named["cell_id"].duplicated(), "cell_id"]
    if len(torn):
        names = ", ".join(named.loc[named["cell_id"] == torn.iloc[0], "donor"])
        raise InputError(
            f"cells have chains of several donors ({len(torn)}; first: cell {torn.iloc[0]}, donors {names})",
            where=raw.where,
            mend="give each cell one donor, or all of them one with --donor",
        )
    donors = pd.Series(named["donor"].to_numpy(), index=named["cell_id"]).reindex(barcodes)
    known = named["donor"].unique()
    if len(known) == 1:
        return np.full(len(barcodes), known[0], dtype=object), ()
    unknown = donors.isna()
    warning = (
        f"the receptor file names {len(known)} donors, but not those of {int(unknown.sum())} cells without "
        f"receptors: they count as donor '{sample_id}'"
    )
    return donors.where(~unknown, sample_id).to_numpy(dtype=object), (warning,) if unknown.any() else ()


def _choose(
    raw: RawChains,
    donor_of_cell: dict[str, str] | None,
    donor: str | None,
    sample_id: str,
    species: str,
) -> tuple[ChosenChains, tuple[str, ...]]:
    """Choose chains; the option, then the expression file, then the receptor file say whose they are."""
    warnings: tuple[str, ...] = ()
    if donor is not None:
        raw = replace(raw, rows=raw.rows.assign(donor=donor))
    elif donor_of_cell is not None:
        donors = raw.rows["cell_id"].map(donor_of_cell).to_numpy(dtype=object)
        raw = replace(raw, rows=raw.rows.assign(donor=donors))
    elif raw.rows["donor"].isna().any() and raw.rows["donor"].notna().any():
        warnings = (f"some cells have no donor: the sample '{sample_id}' is taken for theirs (--donor)",)
    chains = choose_chains(raw, donor=donor or sample_id, species=species)
    return chains, (*warnings, *chains.warnings)
