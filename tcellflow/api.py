"""The functions people import in a notebook; importing this module loads nothing heavy.

Invariant: each name does what a command does, by the same code, and answers with the field's own objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tcellflow.vocabulary import LANGUAGE_BUNDLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd

    from tcellflow.inference.session import Device
    from tcellflow.inference.states import StatePredictor
    from tcellflow.io.tables.fused_entries import FusedEntries
    from tcellflow.pipeline.in_memory import EmbeddedReceptors
    from tcellflow.states.rule import EffectorBy
    from tcellflow.vocabulary import AdtNorm, Compression, FuseInputs, FuseWhen

__all__ = [
    "StatePredictor",
    "describe",
    "embed_receptors",
    "fuse",
    "predict_states",
    "run",
    "score_programmes",
]


def __getattr__(name: str) -> object:
    """Import `StatePredictor` where it is asked for: it brings ONNX Runtime."""
    if name == "StatePredictor":
        from tcellflow.inference.states import StatePredictor

        return StatePredictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def predict_states(  # noqa: PLR0913 (the options of the command)
    adata: ad.AnnData,
    *,
    bundle: str | Path = "states",
    layer: str | None = None,
    target_risk: float | None = None,
    library_size_column: str | None = None,
    effector_by: EffectorBy | None = None,
    ensemble: bool = False,
    threads: int | None = None,
    device: Device = "auto",
) -> pd.DataFrame:
    """Call the T-cell state of every cell from a notebook, with the T-cell gate and abstention.

    Parameters
    ----------
    adata
        N cells with counts or log1p(counts per 10,000). Cells that tcellflow wrote keep their verdicts
        ``is_t_cell`` and ``doublet_suspect``; others are judged by their genes, and by scirpy's
        ``obs["chain_pairing"]`` where it is there. The chains in scirpy's ``obsm["airr"]`` tell MAIT, iNKT
        and gamma-delta cells.
    bundle
        Name or folder of a states bundle.
    layer
        Which matrix is read: a layer, ``"X"`` or ``"raw"``; by default the widest of counts or
        log1p(counts per 10,000), as of a file.
    target_risk
        Accepted share of wrong calls, 0-1; the bundle's default if not given.
    library_size_column
        Column of obs with each cell's molecules over all genes, where the object holds a selection of them.
    effector_by
        Whether the cytotoxic ``programme`` or the function of the ``gate`` tells Effector; the programme if
        not given, where the bundle's states are read with programmes.
    ensemble
        Whether the bundle's ensemble runs instead of the single model distilled from it.
    threads, device
        As in `StatePredictor`.

    Returns
    -------
    pandas.DataFrame
        One row per cell, indexed by ``obs_names``: the columns that ``annotated.h5ad`` has in obs (``state``,
        ``state_probability``, ``state_abstain_reason`` …), ``is_t_cell`` and ``doublet_suspect``.

    Raises
    ------
    InputError
        If the matrix holds neither counts nor log1p(counts per 10,000), measures less than 25 % of the
        bundle's panel, or cells or genes cannot be told apart.
    BundleError
        If the bundle is missing, damaged or of another task.
    OptionsError
        If the bundle cannot do what is asked, or the device is not there.
    """
    from tcellflow.inference.states import StatePredictor
    from tcellflow.pipeline.in_memory import call_states

    predictor = StatePredictor(
        bundle, threads=threads, device=device, effector_by=effector_by, ensemble=ensemble
    )
    return call_states(
        adata, predictor, layer=layer, target_risk=target_risk, library_size_column=library_size_column
    )


def score_programmes(
    adata: ad.AnnData, *, layer: str | None = None, library_size_column: str | None = None
) -> pd.DataFrame:
    """Score the transcriptional programmes of every T cell, as numbers that depth hardly moves.

    Parameters
    ----------
    adata, layer, library_size_column
        As in `predict_states`; of full-length protocols the counts may be parts per million (TPM).

    Returns
    -------
    pandas.DataFrame
        One row per cell, indexed by ``obs_names``; columns ``programme_cytotoxic``,
        ``programme_exhaustion_core`` …, 0-1, float32. NaN where the cell has too few molecules, the matrix
        too few of the genes, or the cell is no T cell: not measurable, which is not absent.

    Raises
    ------
    InputError
        As `predict_states`.

    Notes
    -----
    A log-likelihood ratio of negative binomials over the genes of ``data/programmes.tsv``, where each gene
    names its sources, brought to one scale for all depths and calibrated by a logistic curve.
    """
    from tcellflow.pipeline.in_memory import score_cells

    return score_cells(adata, layer=layer, library_size_column=library_size_column)


def describe(
    adata: ad.AnnData,
    *,
    groupby: str | None = None,
    register: Literal["short", "clinical", "full"] = "full",
    realiser: Literal["template", "neural"] = "template",
    bundle: str = LANGUAGE_BUNDLE,
) -> pd.DataFrame:
    """Describe groups of cells in words from a notebook; every sentence was checked against the counts.

    Parameters
    ----------
    adata
        Cells with counts; columns that tcellflow wrote (``state``, ``clone_id`` …) are used.
    groupby
        Column of obs whose values are the groups; states, clusters and expanded clones if not given.
    register
        How much is said.
    realiser
        What puts claims into words: fixed sentences, or the network of a bundle.
    bundle
        Name or folder of that bundle.

    Returns
    -------
    pandas.DataFrame
        The columns of ``descriptions.parquet``: one row per group, with its type and its text.

    Raises
    ------
    InputError
        If the object holds no counts, or there is no such column.
    BundleError
        If the bundle is not there, is broken or is of another task.
    """
    from tcellflow.pipeline.in_memory import describe_groups

    return describe_groups(adata, groupby=groupby, register=register, realiser=realiser, bundle=bundle)


def embed_receptors(
    receptors: pd.DataFrame | ad.AnnData,
    *,
    backend: str = "native",
    bundle: str | None = None,
    force_tra: bool = False,
    threads: int | None = None,
    device: Device = "auto",
) -> EmbeddedReceptors:
    """Turn the receptor chains of cells into vectors, from a notebook.

    Parameters
    ----------
    receptors
        A table that tcellflow would read as a file, e.g. AIRR rearrangements or 10x contigs, one row per
        chain; without a column that names the cells each row counts as a cell of its own. Or an AnnData
        object with receptors as scirpy keeps them.
    backend, bundle, force_tra
        Which encoder, as ``tcellflow embed-tcr`` takes them.
    threads, device
        As in `StatePredictor`.

    Returns
    -------
    EmbeddedReceptors
        Cells in the order of ``obs_names``, or of their first row in the table.

    Raises
    ------
    InputError
        If the receptors cannot be read, or there are none.
    BundleError
        If the bundle is missing, damaged, of another task or backend, or knows beta chains alone.
    OptionsError
        If there is no such backend or device.
    """
    from tcellflow.pipeline.in_memory import embed_cells

    return embed_cells(
        receptors, backend=backend, bundle=bundle, force_tra=force_tra, threads=threads, device=device
    )


def fuse(  # noqa: PLR0913 (the options of the command)
    adata: ad.AnnData,
    *,
    proteins: str | pd.DataFrame | None = None,
    inputs: FuseInputs = "auto",
    bundle: str | Path = "fusion",
    layer: str | None = None,
    library_size_column: str | None = None,
    clusters: bool = True,
    umap: bool = True,
    resolution: float = 1.0,
    adt_norm: AdtNorm = "clr",
    refit: bool = False,
    threads: int | None = None,
    device: Device = "auto",
) -> FusedEntries:
    """Put expression and surface proteins of every cell into one vector, from a notebook.

    Parameters
    ----------
    adata
        N cells with counts or log1p(counts per 10,000).
    proteins
        Antibody counts: the key of a table in ``obsm``, or the table itself, indexed by ``obs_names``; by
        default ``obsm["adt_counts"]``, ``["protein_expression"]``, ``["protein"]``, ``["prot"]`` or
        ``["adt"]``, whichever is there first. Cells whose ``obs["has_adt"]`` is False have none.
    inputs
        What is used, the rest counts as not measured: ``rna+adt``, ``rna``, ``adt``, or what there is.
    bundle
        Name or folder of a fusion bundle.
    layer, library_size_column
        As in `predict_states`.
    clusters, umap, resolution, adt_norm, refit
        As ``tcellflow fuse`` takes them.
    threads, device
        As in `StatePredictor`.

    Returns
    -------
    FusedEntries
        ``obs``, one row per cell: ``fuse_inputs``, ``fuse_w_rna``, ``fuse_label``, ``fuse_cluster``,
        ``fuse_ood_score`` …; ``obsm``: ``X_fused`` (N, 64), ``X_fused_umap`` (N, 2) and tables of proteins
        (``adt_imputed``, ``adt_denoised``, ``adt_foreground`` …), ready for ``adata.obsm.update``.

    Raises
    ------
    InputError
        If there are no cells, values are negative, not finite or no counts, antibodies have no names, or the
        sample measures neither enough genes nor any protein of the bundle.
    BundleError
        If the bundle is missing, damaged or of another task.
    OptionsError
        If proteins are asked for and there are none, something is to be learnt from what is not used, or the
        device is not there.
    """
    from tcellflow.pipeline.fuse_in_memory import fuse_cells
    from tcellflow.steps.options import FuseOptions

    place = Path()
    asked = FuseOptions(
        place,
        place,
        "",
        bundle=str(bundle),
        inputs=inputs,
        device=device,
        threads=threads,
        clusters=clusters,
        umap=umap,
        resolution=resolution,
        adt_norm=adt_norm,
        refit=refit,
    )
    asked.check_agreement()
    return fuse_cells(adata, asked, proteins=proteins, layer=layer, library_size_column=library_size_column)


def run(  # noqa: PLR0913 (the options of the command)
    output: str | Path,
    *,
    gex: str | Path | None = None,
    tcr: str | Path | Sequence[str | Path] = (),
    adt: str | Path | None = None,
    prefix: str = "sample",
    donor: str | None = None,
    gex_receptors: bool = True,
    bundle: str = "states",
    target_risk: float | None = None,
    effector_by: EffectorBy | None = None,
    fuse: FuseWhen = "auto",
    steps: Sequence[str] | None = None,
    threads: int | None = None,
    compression: Compression = "none",
    keep_cells: bool = False,
    force: bool = False,
) -> list[Path]:
    """Run all steps for one sample from a notebook or script, as ``tcellflow run`` does.

    Steps whose inputs, options and outputs are unchanged since an earlier run are kept.

    Parameters
    ----------
    output
        Output folder.
    gex, tcr, adt
        Expression, receptor files (one or several) and antibody counts; any may be missing.
    prefix
        Sample name: every file name starts with it.
    donor
        Donor of all cells; as the files say if not given, else the sample.
    gex_receptors
        Whether receptors in the expression file are used where `tcr` is not given.
    bundle
        Name or folder of a states bundle.
    target_risk
        Accepted share of wrong calls, 0-1; the bundle's default if not given.
    effector_by
        As in `predict_states`.
    fuse
        When expression and proteins are put into one vector: where there are antibodies, always or never.
    steps
        Steps to run, in any order; all that there is input for if not given.
    threads
        CPU threads; those this process may use if not given.
    compression
        How matrices are stored: ``none``, ``lzf`` or ``gzip``.
    keep_cells
        Whether ``cells.h5ad`` stays beside ``annotated.h5ad``, which holds its whole content.
    force
        Whether every step runs again, and files of other runs may be replaced.

    Returns
    -------
    list of pathlib.Path
        The outputs of all steps, those kept included.

    Raises
    ------
    TcellflowError
        As the command: `InputError`, `ContractError`, `BundleError`, `OptionsError` or `OutputError`.
    """
    from tcellflow.pipeline import RunOptions, run_sample
    from tcellflow.steps.predict import CallOptions, PredictOptions
    from tcellflow.steps.preprocess import PreprocessOptions

    files = (tcr,) if isinstance(tcr, str | Path) else tcr
    place = Path(output)
    options = RunOptions(
        preprocess=PreprocessOptions(
            output=place,
            prefix=prefix,
            gex=None if gex is None else Path(gex),
            tcr=tuple(map(Path, files)),
            adt=None if adt is None else Path(adt),
            donor=donor,
            compression=compression,
        ),
        predict=PredictOptions(
            cells=place,
            output=place,
            prefix=prefix,
            bundle=bundle,
            effector_by=effector_by,
            calls=CallOptions(target_risk=target_risk),
        ),
        receptors_of_gex=gex_receptors,
        fusing=fuse,
        steps=None if steps is None else tuple(steps),
        threads=threads,
        keep_cells=keep_cells,
        force=force,
    )
    return run_sample(options)
