"""The analysis commands: declarations that build an options object and call one step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.fuse import fuse
from tcellflow.cli.options import (  # noqa: TC001 - typer reads annotations at run time
    Backend,
    ClusterDistance,
    Device,
    DualChains,
    Force,
    Layer,
    Neighbours,
    Output,
    Prefix,
    StoredAs,
    TcrSample,
    Threads,
)
from tcellflow.cli.predict import predict
from tcellflow.io.files.pipes import without_pipes


def register(app: typer.Typer) -> None:
    """Add the analysis commands in the order they run."""
    app.command("preprocess", short_help="Read a sample; check, filter and match its cells.")(preprocess)
    app.command("embed-tcr", short_help="Turn receptors into vectors, each distinct one once.")(embed_tcr)
    app.command("fuse", short_help="Put expression and proteins into one vector.")(fuse)
    app.command("predict", short_help="Predict the state of every cell and clone.")(predict)
    app.command("report", short_help="Write one HTML page and one MultiQC section.")(report)


def preprocess(
    *,
    gex: Annotated[
        Path | None, typer.Option("--gex", help="Expression: 10x .h5, matrix folder (.mtx), .h5ad or .h5mu.")
    ] = None,
    tcr: Annotated[
        list[Path] | None,
        typer.Option(
            "--tcr", help="Receptors: 10x contigs (.csv, .json), AIRR, BD, TraCeR; may be repeated."
        ),
    ] = None,
    adt: Annotated[
        Path | None,
        typer.Option(
            "--adt", help="Antibody counts beside the expression file (.csv, .tsv, .parquet, .h5, .h5ad)."
        ),
    ] = None,
    output: Output = Path(),
    prefix: Prefix = "sample",
    donor: Annotated[
        str | None, typer.Option("--donor", help="Donor (default: as the files say, else the sample).")
    ] = None,
    min_genes: Annotated[
        int | None,
        typer.Option(
            "--min-genes", min=0, help="Fewest genes of a cell (default: 200, fewer on small panels)."
        ),
    ] = None,
    min_counts: Annotated[
        int | None, typer.Option("--min-counts", min=0, help="Fewest counts of a cell (default: no limit).")
    ] = None,
    max_pct_mt: Annotated[
        float | None,
        typer.Option(
            "--max-pct-mt",
            min=0,
            max=100,
            help="Most mitochondrial counts of a cell, in percent (default: 20; not judged on small panels).",
        ),
    ] = None,
    t_cells_only: Annotated[
        bool, typer.Option("--t-cells-only", help="Drop cells that are not T cells.")
    ] = False,
    barcode_rule: Annotated[
        str,
        typer.Option("--barcode-rule", help="How cell names of two files are matched; auto tries all rules."),
    ] = "auto",
    allow_low_overlap: Annotated[
        bool, typer.Option("--allow-low-overlap", help="Go on although the files share few cells.")
    ] = False,
    orphans: Annotated[
        Literal["strict", "rescue"],
        typer.Option(
            "--orphans", help="Cells with one chain: their own clone, or the only paired clone sharing it."
        ),
    ] = "strict",
    library_size_column: Annotated[
        str | None,
        typer.Option(
            "--library-size-column", help="obs column with a cell's true counts, for matrices of few genes."
        ),
    ] = None,
    layer: Layer = None,
    tcr_sample: TcrSample = None,
    dual_chains: DualChains = "primary",
    species: Annotated[str, typer.Option("--species", help="Species of the sample; human so far.")] = "human",
    compression: StoredAs = "none",
    force: Force = False,
) -> None:
    """Read a sample's files, check and filter its cells, and bring all parts onto one set of barcodes."""
    from tcellflow.steps.options import PreprocessOptions

    options = PreprocessOptions(
        gex=gex,
        tcr=tuple(tcr or ()),
        adt=adt,
        output=output,
        prefix=prefix,
        donor=donor,
        min_genes=min_genes,
        min_counts=min_counts,
        max_pct_mt=max_pct_mt,
        t_cells_only=t_cells_only,
        barcode_rule=barcode_rule,
        allow_low_overlap=allow_low_overlap,
        orphans=orphans,
        library_size_column=library_size_column,
        layer=layer,
        tcr_sample=tcr_sample,
        dual_chains=dual_chains,
        species=species,
        compression=compression,
        force=force,
    )
    options.check()
    from tcellflow.steps import preprocess as step  # heavy, hence behind the check

    with without_pipes(options) as given, console.show_progress("preprocess") as progress:
        paths = step.preprocess(given, progress=progress)
    console.tell_outputs(paths, prefix)


def embed_tcr(
    chains: Annotated[
        list[Path],
        typer.Argument(
            help="chains.parquet of one or more samples.", show_default=False, metavar="CHAINS..."
        ),
    ],
    *,
    gex: Annotated[
        Path | None,
        typer.Option("--gex", help="cells.h5ad: a row for each of its cells, and a copy with the vectors."),
    ] = None,
    output: Output = Path(),
    prefix: Prefix = "sample",
    backend: Backend = "native",
    bundle: Annotated[
        str | None,
        typer.Option(
            "--receptors-bundle",
            help="Name or folder of a receptors bundle (default: the backend's own).",
            show_default=False,
        ),
    ] = None,
    force_tra: Annotated[
        bool,
        typer.Option(
            "--force-tra", help="Embed alpha chains by TCR-BERT weights that know beta chains alone."
        ),
    ] = False,
    which: Annotated[
        Literal["first", "all"],
        typer.Option(
            "--which-chains", help="Embed the first chain of each arm, or second and further ones too."
        ),
    ] = "first",
    neighbours: Neighbours = 0,
    cluster_distance: ClusterDistance = None,
    device: Device = "auto",
    h5ad: Annotated[
        bool, typer.Option("--h5ad/--no-h5ad", help="With --gex: write the copy with the vectors.")
    ] = True,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Turn each distinct receptor chain and pair into a vector, and say which belong to each cell."""
    from tcellflow.steps.options import EmbedTcrOptions

    options = EmbedTcrOptions(
        chains=tuple(chains),
        output=output,
        prefix=prefix,
        gex=gex,
        backend=backend,
        bundle=bundle,
        force_tra=force_tra,
        which=which,
        neighbours=neighbours,
        cluster_distance=cluster_distance,
        h5ad=h5ad,
        device=device,
        threads=threads,
        force=force,
    )
    options.check()
    from tcellflow.steps import embed_tcr as step  # heavy, hence behind the check

    with without_pipes(options) as given, console.show_progress("embed-tcr") as progress:
        paths = step.embed_tcr(given, progress=progress)
    console.tell_outputs(paths, prefix)


def report(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The sample's files (qc.json, chains, receptors, predictions, ...), in any order; "
            "without any, those in the output folder; folders of several samples for a page of the cohort.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Output = Path(),
    prefix: Prefix = "sample",
    true_labels: Annotated[
        Path | None,
        typer.Option(
            "--true-labels", help="CSV or TSV with the columns barcode and label to compare the states with."
        ),
    ] = None,
    no_map: Annotated[
        bool, typer.Option("--no-map", help="Leave out the map of the cells, which is made here.")
    ] = False,
    force: Force = False,
) -> None:
    """Write one self-contained HTML page and one MultiQC section from a sample's files."""
    from tcellflow.steps.options import ReportOptions

    options = ReportOptions(
        output=output,
        prefix=prefix,
        files=tuple(files or ()),
        true_labels=true_labels,
        map_cells=not no_map,
        force=force,
    )
    options.check()
    from tcellflow.steps import report as step  # heavy, hence behind the check

    with without_pipes(options) as given, console.show_progress("report") as progress:
        paths = step.report(given, progress=progress)
    console.tell_outputs(paths, prefix)
