"""``tcellflow bundle``: look at bundles and check them; stdout carries what was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.train.options import check_libraries
from tcellflow.errors import BundleError

if TYPE_CHECKING:
    from tcellflow.io.bundles.folders import Bundle, BundlePlace

bundle_app = typer.Typer(help="Look at the trained bundles and check them.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of a bundle, or its folder.", show_default=False)]
_COLUMNS = ("name", "version", "task", "origin", "megabytes", "summary")


@bundle_app.command("list", short_help="List the bundles that --bundle can name.")
def list_(*, as_json: AsJson = False) -> None:
    """List the bundles that --bundle can name: those in TCELLFLOW_BUNDLES, then the packaged ones."""
    from tcellflow.io.bundles.folders import list_bundles

    rows = [_describe_place(place) for place in list_bundles()]
    if as_json:
        _print_json(rows)
        return
    table = [_COLUMNS, *(tuple(str(row[column]) for column in _COLUMNS) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(_COLUMNS))]
    for line in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _describe_place(place: BundlePlace) -> dict[str, Any]:
    from tcellflow.io.bundles.folders import read_bundle

    row: dict[str, Any] = {"name": place.name, "origin": place.origin, "folder": str(place.folder)}
    try:
        bundle = read_bundle(place.folder)
    except BundleError as error:
        console.print_error(error)
        damaged = {"version": "", "task": "", "megabytes": "", "summary": "damaged; see 'bundle verify'"}
        return {**row, **damaged, "sha256": "", "is_whole": False}
    size = sum(path.stat().st_size for path in place.folder.iterdir())
    return {
        **row,
        "version": bundle.description.version,
        "task": bundle.description.task,
        "megabytes": round(size / 1e6, 2),
        "summary": bundle.description.summary,
        "sha256": bundle.sha256,
        "is_whole": True,
    }


@bundle_app.command("show", short_help="Print a bundle's card.")
def show(name: Name, *, as_json: AsJson = False) -> None:
    """Print a bundle's card: what it does, its data, its figures and its limits."""
    from tcellflow.io.bundles.description import CARD_FILE
    from tcellflow.io.bundles.folders import find_bundle, read_bundle

    bundle = read_bundle(find_bundle(name))
    if as_json:
        _print_json({**bundle.description.document, "sha256": bundle.sha256})
        return
    typer.echo((bundle.folder / CARD_FILE).read_text(encoding="utf-8"), nl=False)


@bundle_app.command("verify", short_help="Check every file of bundles.")
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names or folders; all bundles if none is given.", show_default=False),
    ] = None,
) -> None:
    """Check every file of bundles against its digest, and load their models."""
    from tcellflow.io.bundles.folders import find_bundle, list_bundles, read_bundle

    targets: list[str | Path] = [*(names or (place.folder for place in list_bundles()))]
    broken: list[BundleError] = []
    for target in targets:
        try:
            bundle = read_bundle(find_bundle(target))
            _try_model(bundle)
        except BundleError as error:
            broken.append(error)
            continue
        description = bundle.description
        typer.echo(
            f"{description.name} {description.version}: whole "
            f"({len(description.files) + 1} files, sha256 {bundle.sha256})"
        )
    for fault in broken[:-1]:
        console.print_error(fault)
    if broken:
        raise broken[-1]


def _try_model(bundle: Bundle) -> None:
    import numpy as np

    from tcellflow.inference.fusion.fuser import Fuser
    from tcellflow.inference.language.writer import NeuralWriter
    from tcellflow.inference.receptors.network import NetworkEncoder
    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.io.bundles.description import ENSEMBLE_FILE
    from tcellflow.io.bundles.fusion import TASK_FUSION
    from tcellflow.io.bundles.language import TASK_LANGUAGE
    from tcellflow.io.bundles.states import TASK_STATES

    if bundle.description.task == TASK_LANGUAGE:
        NeuralWriter(bundle).try_model()
        return
    if bundle.description.task == TASK_FUSION:
        Fuser(bundle, threads=1).try_model()
        return
    if bundle.description.task != TASK_STATES:
        NetworkEncoder(bundle, threads=1, device="cpu")  # which runs it once
        return
    for ensemble in (False, True) if ENSEMBLE_FILE in bundle.description.files else (False,):
        predictor = StatePredictor(bundle, threads=1, device="cpu", ensemble=ensemble)
        predictor.predict(np.zeros((1, predictor.genes.size), dtype=np.float32))


@bundle_app.command("import", short_help="Make a bundle of weights from elsewhere.")
def import_(
    kind: Annotated[Literal["tcr-bert"], typer.Argument(help="What the weights are.", show_default=False)],
    folder: Annotated[
        Path, typer.Argument(help="Hugging Face folder with weights and tokeniser.", show_default=False)
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the bundle (default: its name).", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the bundle.")] = "tcr-bert",
    pool: Annotated[
        Literal["mean", "cls"],
        typer.Option("--pool", help="How residues become one vector: their mean, or the class token."),
    ] = "mean",
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            help="Most tokens of a junction, two special ones included (default: what the weights allow).",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,
) -> None:
    """Make a bundle of weights from elsewhere; needs torch: pip install '.[train]'.

    The bundle runs without torch: tcellflow embed-tcr --backend tcr-bert --receptors-bundle FOLDER.
    Nothing is downloaded.
    """
    check_libraries("torch", "transformers", "onnx", "onnxscript", command="bundle import")
    from tcellflow.training.receptors.tcr_bert import ImportOptions, import_tcr_bert

    options = ImportOptions(
        folder=folder,
        output=Path(name) if output is None else output,
        name=name,
        pool=pool,
        max_length=max_length,
        force=force,
    )
    bundle = import_tcr_bert(options)
    typer.echo(f"{kind}: {bundle.folder} (sha256 {bundle.sha256})")


def _print_json(content: object) -> None:
    typer.echo(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
