"""The contract of qc.json: what preprocess read, removed and recognised in one sample.

Invariant: entries about expression are absent without an expression file, those about receptors or
proteins without such files.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from tcellflow.contracts.entries import Count, Counts, Document, Entries, Number, Share, Text
from tcellflow.vocabulary import ChainPairing, ReceptorSubtype

Percent = Annotated[float, Field(strict=True, ge=0, le=100)]


class PassedOver(Entries):
    """A matrix of the expression file that was not read."""

    place: Text = Field(description="where in the file it is")
    n_features: Count = Field(description="genes and other features")
    holds: Text = Field(description="what its values look like")


class Matrix(Entries):
    """What the expression file held."""

    format: Text = Field(description="what the file was recognised as")
    place: Text = Field(description="where in the file the values were")
    n_cells: Count = Field(description="cells in the file")
    n_features: Count = Field(description="genes and other features")
    other_features: Counts = Field(description="features that are no genes, by type")
    library_size: Text = Field(description="what each cell was scaled to: the sum of its counts, or a column")
    passed_over: tuple[PassedOver, ...] = Field(default=(), description="other matrices of the file")


class GeneNames(Entries):
    """How many genes met one outcome, and a few of them."""

    count: Count = Field(description="genes")
    examples: tuple[Text, ...] = Field(description="up to 20 of them, in input order")


class Genes(Entries):
    """What harmonising did to the gene names; the outcomes together count every input gene once."""

    n_input: Count = Field(description="genes in the file")
    n_output: Count = Field(description="genes after rows of one symbol were summed")
    n_prefixed: Count = Field(description="names that lost a genome prefix")
    n_composite: Count = Field(default=0, description="names of which an id or a symbol inside was read")
    kept: GeneNames = Field(description="approved symbols, and ids that gave one")
    renamed: GeneNames = Field(description="older names, aliases and mangled names with exactly one meaning")
    merged: GeneNames = Field(description="symbols whose several rows were summed")
    target_present: GeneNames = Field(description="older names kept, because their symbol is there too")
    ambiguous: GeneNames = Field(description="older names of several genes, kept")
    no_symbol: GeneNames = Field(description="genes without an approved symbol, kept")
    unknown: GeneNames = Field(description="names that no table knows, kept")


class Thresholds(Entries):
    """What was asked of the cells."""

    min_genes: Count = Field(description="fewest genes with a count")
    min_counts: Count = Field(description="fewest counts")
    max_pct_mt: Percent | None = Field(
        description="highest percentage of mitochondrial counts; null where it was not judged"
    )
    notes: tuple[Text, ...] = Field(description="why a default was lowered or left out")


class Cells(Entries):
    """What became of the cells."""

    input: Count = Field(description="cells in the file")
    kept: Count = Field(description="cells that passed")
    removed: Counts = Field(description="cells removed, by the first reason that applied")
    thresholds: Thresholds = Field(description="what was asked of them")


class Gate(Entries):
    """The verdicts of the T-cell gate on the cells kept."""

    t_cells: Count = Field(description="cells called T cells")
    evidence: Counts = Field(description="cells by what the gate saw")
    other_lineages: Counts = Field(description="cells by the lineage seen instead")
    doublet_suspects: Count = Field(description="cells with signs of two cells")
    doublet_signs: Counts = Field(description="cells by sign; a cell may show several")
    markers_measured: Count = Field(description="marker genes of the gate that the matrix has")


class Distribution(Entries):
    """A histogram over all cells of the input, removed ones included."""

    edges: tuple[Number, ...] = Field(description="borders of the bins, rising, one more than bins")
    counts: tuple[Count, ...] = Field(description="cells per bin")


def _check_bins(drawn: Distribution) -> Distribution:
    rises = all(low < high for low, high in zip(drawn.edges, drawn.edges[1:], strict=False))
    if not drawn.counts or len(drawn.edges) != len(drawn.counts) + 1 or not rises:
        message = "the edges do not rise, or are not one more than the counts"
        raise ValueError(message)
    return drawn


Histogram = Annotated[Distribution, AfterValidator(_check_bins)]


class Distributions(Entries):
    """Histograms of the measurements; one without values is absent."""

    total_counts: Histogram | None = Field(default=None, description="counts per cell")
    n_genes_by_counts: Histogram | None = Field(default=None, description="genes with a count per cell")
    pct_counts_mt: Histogram | None = Field(
        default=None, description="percent of counts in mitochondrial genes"
    )


class Barcodes(Entries):
    """How the cell names of two files were matched."""

    rule: Text = Field(description="rule of the expression file and of the other")
    n_left: Count = Field(description="cells with expression")
    n_right: Count = Field(description="cells of the other file")
    n_shared: Count = Field(description="cells of both")
    fraction_left: Share = Field(description="share of the cells with expression")
    fraction_right: Share = Field(description="share of the other file's cells")
    overlap: Share = Field(description="the larger share")


class Proteins(Entries):
    """What the antibody counts hold."""

    place: Text = Field(description="where they were read from")
    n_antibodies: Count = Field(description="antibodies")
    n_proteins: Count = Field(description="of these, proteins")
    n_with_gene: Count = Field(description="proteins whose gene is known")
    n_isotypes: Count = Field(description="isotype controls")
    n_hashtags: Count = Field(description="sample hashtags")
    n_unknown: Count = Field(description="names that no table knows")
    unknown: tuple[Text, ...] = Field(description="up to 20 of these names")
    cells_without_antibodies: Count = Field(description="cells without antibody counts")
    barcodes: Barcodes | None = Field(default=None, description="how a file of its own was matched")


class Contigs(Entries):
    """What became of the contigs."""

    read: Count = Field(description="contigs read")
    kept: Count = Field(description="contigs that are usable chains")
    dropped: Counts = Field(description="contigs dropped, by reason")


class SegmentNames(Entries):
    """Chains by how precisely the gene of one segment was understood."""

    allele: Count = Field(description="known to the allele")
    gene: Count = Field(description="known to the gene")
    family: Count = Field(description="known to the family")
    unknown: Count = Field(description="the name is unknown")
    contradicts_locus: Count = Field(description="the name belongs to another locus")
    missing: Count = Field(description="no name is given")
    renamed: Count = Field(description="of all, spelt differently")
    not_functional: Count = Field(description="of all, ORF or pseudogene by IMGT")


class Segments(Entries):
    """How the names of V and J genes were understood."""

    v: SegmentNames = Field(description="V genes")
    j: SegmentNames = Field(description="J genes")


class Junctions(Entries):
    """What became of the junctions."""

    anchors_added: Count = Field(description="junctions whose anchors were restored from the germline")
    not_embeddable: Counts = Field(description="chains without a vector, by reason")
    distinct_keys: Count = Field(description="distinct vectors to compute")


class ReceptorCells(Entries):
    """Cells by the classes of their receptors."""

    chain_pairing: dict[ChainPairing, Count] = Field(description="cells by pairing")
    receptor_subtype: dict[ReceptorSubtype, Count] = Field(description="cells by loci")


class Receptors(Entries):
    """What became of every contig, gene name, junction and cell."""

    layout: Text = Field(description="what the receptor files were recognised as")
    contigs: Contigs = Field(description="contigs read, kept and dropped")
    genes: Segments = Field(description="how gene names were understood")
    junctions: Junctions = Field(description="anchors and vectors")
    cells: ReceptorCells = Field(description="classes of the cells")
    clones: Counts = Field(description="clones by what defines them")
    barcodes: Barcodes | None = Field(default=None, description="matching with the expression file")


class Qc(Document):
    """Content of ``<s>.qc.json``."""

    contract: ClassVar[str] = "qc"
    version: ClassVar[int] = 1
    meaning: ClassVar[str] = "What preprocess read, removed and recognised in one sample."

    sample_id: Text = Field(description="sample the files belong to")
    counts_kind: Literal["counts", "log1p_cp10k", "corrected_counts"] | None = Field(
        default=None, description="what the matrix holds"
    )
    matrix: Matrix | None = Field(default=None, description="the expression file")
    genes: Genes | None = Field(default=None, description="gene names")
    cells: Cells | None = Field(default=None, description="cells kept and removed")
    gate: Gate | None = Field(default=None, description="the T-cell gate")
    distributions: Distributions | None = Field(default=None, description="measurements of all cells")
    proteins: Proteins | None = Field(default=None, description="antibody counts")
    receptors: Receptors | None = Field(default=None, description="receptor files")
