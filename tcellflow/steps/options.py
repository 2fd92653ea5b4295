"""The options of every step: what it reads, where it writes, and how.

Invariant: nothing heavy is imported here, so that options which contradict each other, and inputs that are
not there, are told before any library is loaded.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from tcellflow.errors import OptionsError, install_extra
from tcellflow.inference.states.options import CallOptions
from tcellflow.io.files.kinds import check_is_file, check_is_there
from tcellflow.steps.inputs import find_default_files
from tcellflow.vocabulary import AdtNorm, FuseInputs, OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.inference.session import Device
    from tcellflow.receptors.encoding.distinct import Which
    from tcellflow.states.rule import EffectorBy
    from tcellflow.vocabulary import Compression

DEFAULT_BACKEND: Final = "native"
DEFAULT_BUNDLE: Final = "states"
DEFAULT_FUSION: Final = "fusion"


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
    layer
        Matrix of an .h5ad or .h5mu file: ``X``, ``raw`` or the name of a layer; None = what the values say.
    tcr_sample
        Sample of receptor tables that name several; "all" = all of them, None = there is one.
    dual_chains
        Whether cells are of one clone by their first chains, or by any two chains that they share.
    species
        Species of the sample.
    compression
        How the matrices of the cells file are stored.
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
    layer: str | None = None
    tcr_sample: str | None = None
    dual_chains: Literal["primary", "any"] = "primary"
    species: str = "human"
    compression: Compression = "none"
    force: bool = False

    def check(self) -> None:
        """Refuse what can be told to fail before anything is read.

        Raises
        ------
        OptionsError
            As `check_agreement`.
        InputError
            As `check_inputs`.
        """
        self.check_agreement()
        self.check_inputs()

    def check_agreement(self) -> None:
        """Refuse options that contradict each other.

        Raises
        ------
        OptionsError
            If they do, or neither expression nor receptors are given.
        """
        if self.donor is not None and not self.donor.strip():
            raise OptionsError(
                "the donor's name is empty", where="--donor", mend="name the donor, or leave it out"
            )
        if self.gex is None and not self.tcr:
            raise OptionsError(
                "neither expression nor receptors are given",
                where="--gex, --tcr",
                mend="give at least one of them",
            )
        for name, value in (
            ("--adt", self.adt),
            ("--library-size-column", self.library_size_column),
            ("--layer", self.layer),
        ):
            if self.gex is None and value is not None:
                raise OptionsError(f"{name} needs an expression file", where=name, mend="give --gex as well")
        if self.tcr_sample is not None and not self.tcr:
            raise OptionsError(
                "--tcr-sample needs receptors", where="--tcr-sample", mend="give --tcr as well"
            )
        if self.gex is None and self.t_cells_only:
            raise OptionsError(
                "T cells are told by their expression", where="--t-cells-only", mend="give --gex as well"
            )

    def check_inputs(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist or cannot be read.
        """
        for path in (self.gex, *self.tcr, self.adt):
            if path is not None:
                check_is_there(path)


@dataclass(frozen=True)
class EmbedTcrOptions:
    """Options of embed-tcr.

    Parameters
    ----------
    chains
        One or more chains tables; distinct chains of all are computed once.
    output
        Output folder.
    prefix
        Sample name in front of the file names.
    gex
        Cells file; then every cell of it has a row, and a copy with vectors is written.
    backend
        Encoder, see `tcellflow.inference.receptors.encoder.BACKENDS`.
    bundle
        Name or folder of a receptors bundle; the backend's own if not given.
    force_tra
        Whether alpha chains are embedded by weights that know beta chains alone (tcr-bert).
    which
        "first": the first-ranked chain of each arm. "all": second and further chains too.
    neighbours
        Nearest receptors listed for each distinct one; 0 = no list and no clusters.
    cluster_distance
        Greatest cosine distance of a step within a cluster; measured ones of the backend if not given.
    h5ad
        Whether the copy of the cells file is written.
    device
        ``cpu``, ``cuda`` or ``auto``.
    threads
        CPU threads, which change no result; None = those this process may use.
    force
        Whether finished outputs may be replaced.
    """

    chains: tuple[Path, ...]
    output: Path
    prefix: str
    gex: Path | None = None
    backend: str = DEFAULT_BACKEND
    bundle: str | None = None
    force_tra: bool = False
    which: Which = "first"
    neighbours: int = 0
    cluster_distance: float | None = None
    h5ad: bool = True
    device: Device = "auto"
    threads: int | None = None
    force: bool = False

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the files that embed-tcr writes: some of `OutputName`."""
        return (
            OutputName.EMBEDDINGS,
            OutputName.RECEPTORS,
            OutputName.EMBED_QC,
            *((OutputName.NEIGHBOURS,) if self.neighbours else ()),
            *((OutputName.EMBEDDED,) if self.gex is not None and self.h5ad else ()),
        )

    def check(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist, is a folder or cannot be read.
        """
        for path in (*self.chains, self.gex):
            if path is not None:
                check_is_file(path)


@dataclass(frozen=True)
class PredictOptions:
    """Options of predict.

    Parameters
    ----------
    cells
        Cells file of preprocess.
    output
        Output folder.
    prefix
        Sample name in front of the file names.
    receptors
        Receptors table of embed-tcr, for the clones; else those of the cells file.
    embeddings
        Embeddings table of embed-tcr, for bundles that take receptors; needs `receptors`.
    fused
        Table of fuse, whose vectors, proteins and groups go into the annotated copy.
    bundle
        Name or folder of a states bundle.
    ensemble
        Whether the bundle's ensemble runs instead of the single model distilled from it.
    device
        ``cpu``, ``cuda`` or ``auto``.
    threads
        Threads; those this process may use if not given.
    effector_by
        Whether the cytotoxic programme or the gates' function tells Effector; None = the programme, where
        the bundle's states are read with programmes.
    calls
        What is asked of the calls.
    evidence_genes
        Most genes listed for and against each call; 0 = no list.
    guard_csv
        Whether texts of the CSV that a spreadsheet would take for a formula get an apostrophe in front.
    h5ad
        Whether the annotated copy of the cells file is written.
    mudata
        Whether it is written once more, with chains and proteins as modalities, as a MuData file.
    chains
        Chains table of preprocess, for that file.
    force
        Whether finished outputs may be replaced.
    """

    cells: Path
    output: Path
    prefix: str
    receptors: Path | None = None
    embeddings: Path | None = None
    fused: Path | None = None
    bundle: str = DEFAULT_BUNDLE
    ensemble: bool = False
    device: Device = "auto"
    threads: int | None = None
    effector_by: EffectorBy | None = None
    calls: CallOptions = field(default_factory=CallOptions)
    evidence_genes: int = 0
    guard_csv: bool = False
    h5ad: bool = True
    mudata: bool = False
    chains: Path | None = None
    force: bool = False

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the files that predict writes: some of `OutputName`."""
        return (
            OutputName.PREDICTIONS,
            OutputName.PREDICTIONS_CSV,
            OutputName.CLONOTYPES,
            OutputName.PROGRAMMES,
            OutputName.METRICS,
            *((OutputName.GENE_EVIDENCE,) if self.evidence_genes else ()),
            *((OutputName.ANNOTATED,) if self.h5ad else ()),
            *((OutputName.MUDATA,) if self.mudata else ()),
        )

    def check(self) -> None:
        """Refuse inputs that are not there, and options that contradict each other.

        Raises
        ------
        OptionsError
            As `check_mudata`.
        InputError
            If one does not exist, is a folder or cannot be read.
        """
        self.check_mudata()
        for path in (self.cells, self.receptors, self.embeddings, self.fused, self.chains):
            if path is not None:
                check_is_file(path)

    def check_mudata(self) -> None:
        """Refuse what a MuData file cannot be written with.

        Raises
        ------
        OptionsError
            If the annotated cells that it holds are not to be written, the extra ``[scirpy]`` is not
            installed, or chains are given without it.
        """
        if self.mudata and not self.h5ad:
            raise OptionsError(
                "the MuData file holds the annotated cells, which are not to be written",
                where="--mudata, --no-h5ad",
                mend="leave --no-h5ad out",
            )
        if self.chains is not None and not self.mudata:
            raise OptionsError(
                "chains are needed for a MuData file alone, which was not asked for",
                where="--chains",
                mend="add --mudata, or leave --chains out",
            )
        if self.mudata and importlib.util.find_spec("awkward") is None:
            raise OptionsError(
                "chains as scirpy reads them need awkward, which is not installed",
                where="--mudata",
                mend=install_extra("scirpy"),
            )


@dataclass(frozen=True)
class FuseOptions:
    """Options of fuse.

    Parameters
    ----------
    cells
        Cells file of preprocess, or one with further columns.
    output
        Output folder.
    prefix
        Sample name in front of the file names.
    bundle
        Name or folder of a fusion bundle.
    inputs
        What is used, the rest counts as not measured; "auto" = what there is.
    device
        ``cpu``, ``cuda`` or ``auto``.
    threads
        CPU threads, which change no result; None = those this process may use.
    reference
        Cells file of another sample, whose scales and space are used; None = the sample's own.
    adt_norm
        What is taken off antibody counts before they are compared: ``clr``, nothing; ``mixture``, the spread
        of the background; ``dsb``, the background and what a cell's antibodies share.
    refit
        Whether maps from genes to proteins are fitted on the sample, or on the reference.
    clusters, umap
        Whether cells get groups, and places on a map.
    resolution
        Of the groups: above 1 they are smaller, below 1 larger.
    h5ad
        Whether the copy of the cells file is written.
    force
        Whether finished outputs may be replaced.
    """

    cells: Path
    output: Path
    prefix: str
    bundle: str = DEFAULT_FUSION
    inputs: FuseInputs = "auto"
    device: Device = "auto"
    threads: int | None = None
    reference: Path | None = None
    adt_norm: AdtNorm = "clr"
    refit: bool = False
    clusters: bool = True
    umap: bool = True
    resolution: float = 1.0
    h5ad: bool = True
    force: bool = False

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the files that fuse writes: some of `OutputName`."""
        copy = (OutputName.FUSED_H5AD,) if self.h5ad else ()
        return (OutputName.FUSED, OutputName.FUSE_QC, *copy)

    def check(self) -> None:
        """Refuse inputs that are not there, and options that contradict each other.

        Raises
        ------
        InputError
            If the file does not exist, is a folder or cannot be read.
        OptionsError
            If proteins are not used, and something is to be learnt from them.
        """
        self.check_agreement()
        for path in (self.cells, self.reference):
            if path is not None:
                check_is_file(path)

    def check_agreement(self) -> None:
        """Refuse options that do not exist or contradict each other.

        Raises
        ------
        OptionsError
            If an option has no such value, or proteins or genes are not used and something is to be learnt
            from them.
        """
        choices = (("--inputs", self.inputs, FuseInputs), ("--adt-norm", self.adt_norm, AdtNorm))
        for name, value, kind in choices:
            if value not in get_args(kind):
                raise OptionsError(
                    f"there is no {value!r}", where=name, mend="choose from: " + ", ".join(get_args(kind))
                )
        if not (math.isfinite(self.resolution) and self.resolution >= 0):
            raise OptionsError(
                f"a resolution of {self.resolution} makes no groups",
                where="--resolution",
                mend="give a number from 0 on",
            )
        wanted = {"rna": "--adt-norm" if self.adt_norm != "clr" else "", "adt": ""}
        if self.refit:
            wanted = {"rna": "--refit", "adt": "--refit"}
        option = wanted.get(self.inputs, "")
        if option:
            missing = "antibodies" if self.inputs == "rna" else "genes"
            raise OptionsError(
                f"{option} learns from {missing}, which are not to be used",
                where=f"{option}, --inputs {self.inputs}",
                mend=f"leave {option} out, or fuse with --inputs auto",
            )


@dataclass(frozen=True)
class ReportOptions:
    """Options of the report.

    Parameters
    ----------
    output
        Output folder; also where the sample's files are looked for when none are named.
    prefix
        Sample name in front of the file names.
    files
        The sample's files, recognised by their contract or note; empty = those in `output`. Folders of
        several samples = one page of the cohort.
    true_labels
        CSV or TSV of labels per barcode to compare the calls with; None = no comparison.
    map_cells
        Whether the cells are laid out on a map.
    force
        Whether finished outputs may be replaced.
    """

    output: Path
    prefix: str
    files: tuple[Path, ...] = ()
    true_labels: Path | None = None
    map_cells: bool = True
    force: bool = False

    @property
    def is_cohort(self) -> bool:
        """Whether folders of samples are named instead of files."""
        return bool(self.files) and all(path.is_dir() for path in self.files)

    def find_files(self) -> tuple[Path, ...]:
        """Give the files to report on: those named, else those of the sample in `output`.

        Raises
        ------
        InputError
            If none is named and there is none.
        """
        return self.files or find_default_files(self.output, self.prefix)

    def check(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist, is a folder among files or cannot be read, or no file is found.
        OptionsError
            If labels are given for a cohort.
        """
        if self.is_cohort:
            if self.true_labels is not None:
                raise OptionsError(
                    "labels belong to one sample, but folders of samples are named",
                    where="--true-labels",
                    mend="name the files of one sample, or leave the option out",
                )
            return
        for path in (*self.find_files(), self.true_labels):
            if path is not None:
                check_is_file(path)
