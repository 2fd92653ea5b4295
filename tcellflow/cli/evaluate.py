"""The command ``evaluate``: a bundle judged by labelled cells; stdout carries the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tcellflow.cli import console, options
from tcellflow.cli.train.options import check_libraries


def evaluate(
    *,
    manifest: Annotated[
        Path,
        typer.Option(
            "--manifest", help="YAML file of cohorts, as for 'train states': counts, labels, what they mean."
        ),
    ],
    bundle: options.Bundle = "states",
    cohort: Annotated[
        list[str] | None,
        typer.Option("--cohort", help="Judge by this cohort alone; may be repeated."),
    ] = None,
    ensemble: options.Ensemble = False,
    target_risk: options.TargetRisk = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the figures as .json and .md (default: print them).",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", help="With --output: every file name starts with it.")
    ] = "evaluation",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    threads: options.Threads = None,
    force: options.Force = False,
) -> None:
    """Judge a states bundle by labelled cells: accuracy, macro-F1, risk and coverage, calibration.

    The figures are those of the calls that predict makes of the same cells, and of the network alone, as on
    the bundle's card. Cells that the bundle learnt from measure nothing: hold some back.
    """
    check_libraries("yaml", command="evaluate")
    from tcellflow.io.outputs.staging import stage_outputs
    from tcellflow.training.states.evaluate import EvaluateStatesOptions, evaluate_states, write_figures

    asked = EvaluateStatesOptions(
        manifest=manifest,
        bundle=bundle,
        cohorts=frozenset(cohort or ()),
        ensemble=ensemble,
        target_risk=target_risk,
        threads=threads,
    )
    with console.show_progress("cohorts") as on_cohort:
        figures = evaluate_states(asked, on_cohort=on_cohort)
    as_text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(as_text if as_json else write_figures(figures), nl=False)
        return
    with stage_outputs(output, prefix, force=force) as outputs:
        outputs.path("json").write_text(as_text, encoding="utf-8")
        outputs.path("md").write_text(write_figures(figures), encoding="utf-8")
        finished = outputs.commit()
    console.tell_outputs(finished, prefix)
