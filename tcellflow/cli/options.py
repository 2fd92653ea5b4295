"""The options that analysis commands and ``run`` share: each declared once, with its help."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli.limits import size_pools
from tcellflow.errors import OptionsError
from tcellflow.vocabulary import Compression


def _refuse_vote(vote: bool) -> None:  # noqa: FBT001 - typer calls it so
    """Refuse the option that let similar cells vote.

    Raises
    ------
    OptionsError
        If it is given.
    """
    if vote:
        raise OptionsError(
            "votes among similar cells are no more: rare states drowned in their neighbours",
            where="--vote",
            mend="leave --vote out; --pool-lineage pools what the cells of a clone share",
        )


Output = Annotated[Path, typer.Option("--output", "-o", help="Output folder.")]
Prefix = Annotated[str, typer.Option("--prefix", help="Sample name: every file name starts with it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace finished outputs.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="CPU threads (default: all that this process may use).",
        callback=size_pools,
    ),
]
TcrSample = Annotated[
    str | None,
    typer.Option(
        "--tcr-sample",
        help="Sample of a receptor table that names several (all: the expression file holds them all).",
        show_default=False,
    ),
]
DualChains = Annotated[
    Literal["primary", "any"],
    typer.Option(
        "--dual-chains", help="Cells are of one clone by their first chains, or by any pair that they share."
    ),
]
StoredAs = Annotated[
    Compression,
    typer.Option("--compression", help="How matrices are stored: none is fastest, gzip smallest."),
]
FoundInObs = Annotated[
    bool,
    typer.Option("--h5ad/--no-h5ad", help="Copy the .h5ad file of cells with what was found in obs."),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        help="Matrix of an .h5ad or .h5mu file: X, raw or the name of a layer (default: by its values).",
        show_default=False,
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        "--backend",
        help="Receptor encoder: native (the packaged bundle), tcr-bert (an imported one) or kmer (no model).",
    ),
]
Neighbours = Annotated[
    int,
    typer.Option(
        "--neighbours", min=0, help="List this many nearest receptors of each, and name clusters (0: none)."
    ),
]
ClusterDistance = Annotated[
    float | None,
    typer.Option(
        "--cluster-distance",
        help="With --neighbours: greatest cosine distance of a step within a cluster (default: by backend).",
        show_default=False,
    ),
]
Bundle = Annotated[
    str, typer.Option("--bundle", help="Name or folder of a states bundle; see 'tcellflow bundle list'.")
]
Ensemble = Annotated[
    bool, typer.Option("--ensemble", help="Run the bundle's ensemble instead of the one model made from it.")
]
Device = Annotated[
    Literal["cpu", "cuda", "auto"],
    typer.Option("--device", help="Where to run the bundle's network; auto takes a usable GPU."),
]
TargetRisk = Annotated[
    float | None,
    typer.Option(
        "--target-risk", help="Accepted share of wrong calls, 0-1; less makes more cells Unresolved."
    ),
]
EffectorBy = Annotated[
    Literal["programme", "gate"] | None,
    typer.Option(
        "--effector-by",
        help="What tells Effector: the cytotoxic programme (default) or the function of the gates.",
        show_default=False,
    ),
]
EffectorMemoryAs = Annotated[
    Literal["memory", "effector"] | None,
    typer.Option("--em-as", help="Replaced by --effector-by.", hidden=True),
]
CorrectPriors = Annotated[
    bool,
    typer.Option(
        "--correct-priors",
        help="Estimate the sample's class shares and correct the probabilities; raw ones are kept beside.",
    ),
]
PoolLineage = Annotated[
    bool, typer.Option("--pool-lineage", help="Name the lineage of each cell's clone beside its own.")
]
Vote = Annotated[bool, typer.Option("--vote", help="Removed.", hidden=True, callback=_refuse_vote)]
SetCoverage = Annotated[
    float | None,
    typer.Option(
        "--set-coverage", help="List the states that cannot be ruled out, with this coverage, e.g. 0.9."
    ),
]
EvidenceGenes = Annotated[
    int,
    typer.Option(
        "--evidence-genes",
        min=0,
        max=50,
        help="List this many genes for and against each call (slow; 0: none).",
    ),
]

MuData = Annotated[
    bool,
    typer.Option(
        "--mudata",
        help="Write cells, chains and proteins as one .h5mu file for scirpy and muon, too (extra [scirpy]).",
    ),
]
GuardCsv = Annotated[
    bool,
    typer.Option(
        "--guard-csv", help="Put an apostrophe before texts of the CSV that spreadsheets take for formulas."
    ),
]


def understand_effector_by(
    effector_by: Literal["programme", "gate"] | None, em_as: Literal["memory", "effector"] | None
) -> Literal["programme", "gate"] | None:
    """Give what tells Effector, from the option of today or the one before.

    Raises
    ------
    OptionsError
        If both are given.
    """
    if em_as is None:
        return effector_by
    if effector_by is not None:
        raise OptionsError(
            "--em-as is the former name of --effector-by",
            where="--effector-by, --em-as",
            mend="leave --em-as out",
        )
    now: Literal["programme", "gate"] = "gate" if em_as == "memory" else "programme"
    logging.getLogger(__name__).warning("--em-as %s is now --effector-by %s", em_as, now)
    return now
