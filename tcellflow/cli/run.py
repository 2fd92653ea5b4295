"""``tcellflow run``: declarations that build the options of a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.options import (
    Backend,
    Bundle,
    ClusterDistance,
    CorrectPriors,
    Device,
    DualChains,
    EffectorBy,
    EffectorMemoryAs,
    Ensemble,
    EvidenceGenes,
    GuardCsv,
    Layer,
    MuData,
    Neighbours,
    Output,
    PoolLineage,
    SetCoverage,
    StoredAs,
    TargetRisk,
    TcrSample,
    Threads,
    Vote,
    understand_effector_by,
)
from tcellflow.io.files.pipes import without_pipes

if TYPE_CHECKING:
    from tcellflow.pipeline import RunOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", short_help="Run all steps for one sample; what is done is kept.")(run)


def run(
    *,
    gex: Annotated[
        Path | None, typer.Option("--gex", help="Expression: 10x .h5, matrix folder (.mtx), .h5ad or .h5mu.")
    ] = None,
    tcr: Annotated[
        list[Path] | None,
        typer.Option("--tcr", help="Receptors: 10x contigs, AIRR, BD, TraCeR; may be repeated."),
    ] = None,
    gex_receptors: Annotated[
        bool,
        typer.Option(
            "--gex-receptors/--no-gex-receptors",
            help="Without --tcr, use the receptors that the .h5ad or .h5mu file of --gex holds.",
        ),
    ] = True,
    adt: Annotated[
        Path | None, typer.Option("--adt", help="Antibody counts beside the expression file.")
    ] = None,
    output: Output = Path(),
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="Sample name: every file name starts with it (default: sample)."),
    ] = None,
    donor: Annotated[
        str | None, typer.Option("--donor", help="Donor (default: as the files say, else the sample).")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps", help="Only these, e.g. predict,report; the files of the others must be there."
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Run a real sample that comes with the package.")
    ] = False,
    demo_sample: Annotated[
        str | None, typer.Option("--demo-sample", help="Run this packaged sample.", show_default=False)
    ] = None,
    min_genes: Annotated[
        int | None, typer.Option("--min-genes", min=0, help="Fewest genes of a cell.")
    ] = None,
    min_counts: Annotated[
        int | None, typer.Option("--min-counts", min=0, help="Fewest counts of a cell.")
    ] = None,
    max_pct_mt: Annotated[
        float | None,
        typer.Option("--max-pct-mt", min=0, max=100, help="Most mitochondrial counts of a cell, in percent."),
    ] = None,
    t_cells_only: Annotated[
        bool, typer.Option("--t-cells-only", help="Drop cells that are not T cells.")
    ] = False,
    barcode_rule: Annotated[
        str, typer.Option("--barcode-rule", help="How cell names of two files are matched.")
    ] = "auto",
    allow_low_overlap: Annotated[
        bool, typer.Option("--allow-low-overlap", help="Go on although the files share few cells.")
    ] = False,
    orphans: Annotated[
        Literal["strict", "rescue"], typer.Option("--orphans", help="Clone of cells with one chain.")
    ] = "strict",
    library_size_column: Annotated[
        str | None, typer.Option("--library-size-column", help="obs column with each cell's true counts.")
    ] = None,
    layer: Layer = None,
    tcr_sample: TcrSample = None,
    dual_chains: DualChains = "primary",
    species: Annotated[str, typer.Option("--species", help="Species of the sample; human so far.")] = "human",
    compression: StoredAs = "none",
    backend: Backend = "native",
    receptors_bundle: Annotated[
        str | None,
        typer.Option(
            "--receptors-bundle",
            help="Name or folder of a receptors bundle (default: the backend's own).",
            show_default=False,
        ),
    ] = None,
    neighbours: Neighbours = 0,
    cluster_distance: ClusterDistance = None,
    bundle: Bundle = "states",
    ensemble: Ensemble = False,
    target_risk: TargetRisk = None,
    effector_by: EffectorBy = None,
    em_as: EffectorMemoryAs = None,
    correct_priors: CorrectPriors = False,
    pool_lineage: PoolLineage = False,
    vote: Vote = False,  # noqa: ARG001 - its callback refuses it
    set_coverage: SetCoverage = None,
    genes: EvidenceGenes = 0,
    guard_csv: GuardCsv = False,
    mudata: MuData = False,
    describe: Annotated[
        bool, typer.Option("--describe/--no-describe", help="Describe states, clusters and clones in words.")
    ] = True,
    device: Device = "auto",
    threads: Threads = None,
    fuse: Annotated[
        Literal["auto", "always", "never"],
        typer.Option("--fuse", help="Put expression and proteins into one vector: auto = with antibodies."),
    ] = "auto",
    keep_cells: Annotated[
        bool,
        typer.Option("--keep-cells", help="Keep cells.h5ad, whose whole content is in annotated.h5ad, too."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run every step again, and replace files of other runs.")
    ] = False,
) -> None:
    """Run all steps for one sample, from its files to the report; what is done already is kept."""
    from tcellflow import pipeline
    from tcellflow.inference.states.options import CallOptions
    from tcellflow.steps.options import EmbedTcrOptions, PredictOptions, PreprocessOptions

    chosen, prefix = _name_sample(demo_sample or (pipeline.DEMO_SAMPLE if demo else None), prefix)
    calls = CallOptions(target_risk, set_coverage, correct_priors=correct_priors, pool_lineage=pool_lineage)
    options = pipeline.RunOptions(
        preprocess=PreprocessOptions(
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
        ),
        embed_tcr=EmbedTcrOptions(
            (),
            output,
            prefix,
            backend=backend,
            bundle=receptors_bundle,
            neighbours=neighbours,
            cluster_distance=cluster_distance,
            device=device,
        ),
        predict=PredictOptions(
            cells=output,  # the run puts in the file
            output=output,
            prefix=prefix,
            bundle=bundle,
            ensemble=ensemble,
            device=device,
            effector_by=understand_effector_by(effector_by, em_as),
            calls=calls,
            evidence_genes=genes,
            guard_csv=guard_csv,
            mudata=mudata,
        ),
        fusing=fuse,
        describe=describe,
        receptors_of_gex=gex_receptors,
        steps=None if steps is None else tuple(name.strip() for name in steps.split(",")),
        threads=threads,
        keep_cells=keep_cells,
        force=force,
    )
    _run(options if chosen is None else pipeline.use_demo(options, chosen))


def _name_sample(chosen: str | None, prefix: str | None) -> tuple[str | None, str]:
    """Give the packaged sample, if one was chosen, and the name of the sample's files."""
    return chosen, prefix if prefix is not None else chosen or "sample"


def _run(options: RunOptions) -> None:
    from tcellflow import pipeline

    options.check()
    with without_pipes(options) as given:
        pipeline.run_sample(given, show=console.show_progress)
