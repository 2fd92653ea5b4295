"""What ``bundle.json`` and the card say of a trained language bundle.

Invariant: sets, plans and settings are those of the run, not of its defaults.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tcellflow.io.bundles.language import (
    DECODER_FILE,
    LANGUAGE_GENES_FILE,
    PHRASES_FILE,
    TASK_LANGUAGE,
    TOKENS_FILE,
)
from tcellflow.io.bundles.panel_tables import describe_panel
from tcellflow.training.description import describe_parity, describe_tensor, name_bundle, write_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tcellflow.inference.language.memory import LanguagePanel
    from tcellflow.language.realising.tokens import TokenSet
    from tcellflow.models.configurations import LanguageConfig
    from tcellflow.training.language.manifest import LanguageEntry
    from tcellflow.training.language.options import TrainLanguageOptions
    from tcellflow.training.language.plans import Plan


def describe_entries(entries: Sequence[LanguageEntry], plans: Sequence[Plan]) -> list[dict[str, Any]]:
    """Describe what was learnt from, an entry per set."""
    n_plans = Counter(plan.source for plan in plans)
    return [
        {
            "name": entry.name,
            "source": entry.source,
            "licence": entry.licence,
            "plans": n_plans[entry.name],
            "types": len({plan.term for plan in plans if plan.source == entry.name and plan.term}),
        }
        for entry in entries
    ]


def describe_language(
    options: TrainLanguageOptions,
    config: LanguageConfig,
    panel: LanguagePanel,
    tokens: TokenSet,
    measured: Mapping[str, Any],
    difference: float,
) -> dict[str, Any]:
    """Describe a run and its result: the content of ``bundle.json`` but for format and files.

    Parameters
    ----------
    options
        The run.
    config
        Shape of the network.
    panel, tokens
        Its axes.
    measured
        Entries ``training`` and ``metrics``.
    difference
        Largest difference between graphs and network.
    """
    return {
        "name": name_bundle(options.name, options.output),
        "version": options.version,
        "task": TASK_LANGUAGE,
        "summary": "Claims on groups of cells put into words; labelled sets learnt from: "
        f"{len(measured['training'])}",
        "inputs": _INPUTS,
        "outputs": _OUTPUTS,
        "genes": describe_panel(LANGUAGE_GENES_FILE, panel.symbols),
        "tokens": describe_panel(TOKENS_FILE, tokens.tokens),
        "decoder": DECODER_FILE,
        "phrases": PHRASES_FILE,
        "layers": config.decoder_layers,
        "heads": config.heads,
        "width": config.width,
        "most_rows": config.most_rows,
        "longest": config.longest,
        "parity": describe_parity(difference),
        "recipe": {
            "held_out": sorted(options.hold_out),
            "steps": options.loop.steps,
            "learning_rate": options.loop.learning_rate,
            "own_phrases": options.phrases is not None,
            "plans": asdict(options.plans),
            **asdict(options.task),
        },
        "limits": [
            "it only puts claims into words: names and numbers are copied; what is true is decided elsewhere",
            "English, in the manner of the phrases that it learnt from",
            "its prose was made from phrases by rules; nobody's judgement of good text went into it",
            "states, receptors, donors and antibodies in its plans were drawn at random",
        ],
        "intended_use": "Sentences for describe, each of which is read back and checked; no clinical use",
        "licence": options.licence,
        **measured,
    }


def write_language_card(document: Mapping[str, Any], evaluation: str) -> str:
    """Write the card as Markdown."""
    return write_card(document, _tell(document), evaluation=evaluation)


def _tell(document: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Data\n\nGroups of cells drawn by label, from:\n\n| set | groups | types | licence |"
    yield "|---|---|---|---|"
    for one in document["training"]:
        yield f"| {one['name']} | {one['plans']:,} | {one['types']} | {one['licence']} |"
    yield f"\nHeld out: {', '.join(document['recipe']['held_out']) or 'none'}."
    yield "\n## Figures\n\nGroups that the network had not learnt from; losses in nats a token.\n"
    yield "| set | judged by | groups | next word | row of a slot | type found by its words |"
    yield "|---|---|---|---|---|---|"
    for row in document["metrics"]:
        figures = " | ".join(f"{row[name]:.3f}" for name in ("token", "pointer", "type"))
        yield f"| {row['set']} | {row['judge']} | {row['groups']:,} | {figures} |"


_INPUTS: Final = [
    describe_tensor("genes", ["B", "G"], "standardised log1p(molecules per 10,000), 0 where not measured"),
    describe_tensor("gene_mask", ["B", "G"], "1 where the gene was measured, else 0"),
    describe_tensor("kinds", ["B", "R"], "kind of each claim + 1, 0 for padding", "int64"),
    describe_tensor("row_genes", ["B", "R"], "gene of each claim + 1, 0 for none", "int64"),
    describe_tensor("numbers", ["B", "R", "8"], "numbers of each claim"),
]
_OUTPUTS: Final = [
    describe_tensor("memory", ["B", "Q + R", "W"], "queries and claims"),
    describe_tensor("kept", ["L", "2", "B", "H", "Q + R", "W / H"], "keys and values for the decoder"),
    describe_tensor("bias", ["B", "1", "1", "Q + R"], "0, or very negative for padding"),
]
