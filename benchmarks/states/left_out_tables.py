"""Write the figures of `left_out.py` and `invariance.py` as Markdown tables.

    python -m benchmarks.states.left_out_tables left_out.json invariance.json [--update PAGE] [--risks PAGE]

`--risks` puts the table of reported calls alone, the worst set first, into the pages named, `--card` into the
card of the packaged bundle, whose digests are renewed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.states.left_out import SHIPPED
from benchmarks.states.rows import ROWS
from benchmarks.states.tables import insert, put
from benchmarks.states.trust import TARGET_RISKS, list_worst_first
from recipes.install import install_card
from recipes.programmes.left_out import family
from recipes.programmes.trust import COVERAGES
from tcellflow.io.bundles.description import CARD_FILE
from tcellflow.io.bundles.folders import PACKAGED_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGIN, END = "<!-- left out: begin -->", "<!-- left out: end -->"
CARD_FIGURES = "## Figures\n\n"
RISK_BEGIN, RISK_END = "<!-- reported: begin -->", "<!-- reported: end -->"
CARD_RISKS = f"""Calls reported at a target risk of .1 on sets left out of network, programmes, linear model
and trust, the worst set first. *Silver* labels are guesses of our own.

{RISK_BEGIN}

{RISK_END}

"""
FEW_CLASSES = ("Effector", "Exhausted")
SILVER = ("citeseq_cbmc8k", "eccite_pbmc_3300")


def render(result: Mapping[str, Any], invariance: Mapping[str, Any]) -> str:
    """Write all tables."""
    parts = [
        render_rows(result["views"]),
        render_gains(result["views"]),
        render_classes(result["views"]),
        render_trust(result["trust"]),
        render_curves(result["trust"]),
        render_shifts(result["trust"]),
        render_sets(result["trust"]),
        render_invariance(invariance),
    ]
    return "\n\n".join(parts) + "\n"


def name_view(view: str) -> str:
    """Name a view; silver labels are named so."""
    return f"{view} (silver)" if view.startswith(SILVER) else view


def is_whole(view: str) -> bool:
    """Whether the cells are as they were measured."""
    return view == family(view) or (view.endswith(" genes") and not view.endswith("half of the genes"))


def render_rows(views: Mapping[str, Any]) -> str:
    """Macro-F1 of all rows: a line for each set as measured, and means over sets under pretended shifts."""
    lines = _head("macro-F1", *ROWS)
    for view, rows in views.items():
        if is_whole(view):
            lines.append(_line(name_view(view), *(_with_sd(rows.get(row)) for row in ROWS)))
    by_shift: dict[str, list[str]] = {"as measured": [view for view in views if is_whole(view)]}
    for view in views:
        if not is_whole(view):
            by_shift.setdefault(view.partition(", ")[2], []).append(view)
    for shift, of in by_shift.items():
        means = [np.mean([views[view][row]["macro_f1"] for view in of if row in views[view]]) for row in ROWS]
        lines.append(_line(f"mean of {len(of)}, {shift}", *(f"{mean:.3f}" for mean in means)))
    return "\n".join(lines)


def render_gains(views: Mapping[str, Any]) -> str:
    """Compare what ships with each row, with paired intervals, for cells as they were measured."""
    others = [row for row in ROWS if row != SHIPPED]
    lines = _head(f"{SHIPPED} less …", *others)
    for view, rows in views.items():
        if is_whole(view):
            gains = [rows.get(row, {}).get("shipped_less_this") for row in others]
            lines.append(_line(name_view(view), *("" if g is None else _interval(g) for g in gains)))
    return "\n".join(lines)


def render_classes(views: Mapping[str, Any]) -> str:
    """F1 of the states that few sets label, of every row, where they occur."""
    lines = _head("F1 of one state", *ROWS)
    for view, rows in views.items():
        for state in FEW_CLASSES:
            if is_whole(view) and state in rows[next(iter(rows))]["f1"]:
                cells = [f"{rows[row]['f1'][state]:.3f}" if row in rows else "" for row in ROWS]
                lines.append(_line(f"{state}, {name_view(view)}", *cells))
    return "\n".join(lines)


def render_trust(views: Mapping[str, Any]) -> str:
    """Tell what the default target risk comes to, the worst set first."""
    lines = _head(
        "reported at target risk .1", "cells", "shift", "wrong of all calls", "coverage",
        "wrong of reported", "the same, other words counted as wrong",
    )  # fmt: skip
    for view in list_worst_first(views):
        of, at = views[view], views[view]["risks"]["0.1"]
        lines.append(
            _line(
                name_view(view), f"{of['cells']:,.0f}", _share(of["shift"]), _share(of["wrong"]),
                _share(at["coverage"]), _share(at["wrong"]), _share(at["wrong_raw"]),
            )
        )  # fmt: skip
    return "\n".join(lines)


def render_curves(views: Mapping[str, Any]) -> str:
    """Coverage and risk at each target, the worst set first."""
    lines = _head("wrong / coverage at target risk", *(f"{target:g}" for target in TARGET_RISKS), "AURC")
    for view in list_worst_first(views):
        at = [views[view]["risks"][f"{target:g}"] for target in TARGET_RISKS]
        cells = [f"{_share(a['wrong'])} / {_share(a['coverage'])}" for a in at]
        lines.append(_line(name_view(view), *cells, _share(views[view]["aurc"])))
    return "\n".join(lines)


def render_shifts(views: Mapping[str, Any]) -> str:
    """Wrong and coverage at the default target risk under pretended shifts."""
    shifts = list(dict.fromkeys(view.partition(", ")[2] for view in views if not is_whole(view)))
    lines = _head("wrong / coverage at target risk .1", *shifts)
    for name in dict.fromkeys(map(family, views)):
        cells = []
        for shift in shifts:
            at = views.get(f"{name}, {shift}", {}).get("risks", {}).get("0.1")
            cells.append("" if at is None else f"{_share(at['wrong'])} / {_share(at['coverage'])}")
        lines.append(_line(name_view(name), *cells))
    return "\n".join(lines)


def render_sets(views: Mapping[str, Any]) -> str:
    """How often prediction sets hold the true state, and their size, the worst set first."""
    lines = _head("true state held / size of the set at coverage", *(f"{c:g}" for c in COVERAGES))
    whole = [view for view in views if is_whole(view)]
    for view in sorted(whole, key=lambda v: views[v]["sets"]["0.9"]["held"]):
        at = [views[view]["sets"][f"{c:g}"] for c in COVERAGES]
        lines.append(_line(name_view(view), *(f"{_share(a['held'])} / {a['size']:.1f}" for a in at)))
    return "\n".join(lines)


def render_invariance(sets: Mapping[str, Any]) -> str:
    """Mean absolute change of programmes, and that of the programme that changes most."""
    kinds = list(next(iter(sets.values())))
    lines = _head("change of programmes, mean (most)", *kinds)
    for name, of in sets.items():
        cells = []
        for kind in kinds:
            changes = {programme: figures["change"] for programme, figures in of[kind].items()}
            most = max(changes, key=changes.__getitem__)
            cells.append(f"{np.mean(list(changes.values())):.3f} ({most} {changes[most]:.3f})")
        lines.append(_line(name, *cells))
    return "\n".join(lines)


def _with_sd(figures: Mapping[str, Any] | None) -> str:
    return "" if figures is None else f"{figures['macro_f1']:.3f} ± {figures['macro_f1_sd']:.3f}"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _interval(values: Sequence[float]) -> str:
    text = f"{values[0]:+.3f} ({values[1]:+.3f} to {values[2]:+.3f})"
    return f"**{text}**" if values[1] > 0 or values[2] < 0 else text


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|" + "---|" * len(cells)]


def main() -> None:
    """Print the tables, or put them into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path)
    parser.add_argument("invariance", type=Path)
    parser.add_argument("--update", type=Path, help="Markdown page with markers")
    parser.add_argument("--risks", type=Path, nargs="*", default=[], help="pages with markers for one table")
    parser.add_argument("--card", action="store_true", help="put this table into the packaged card too")
    options = parser.parse_args()
    result, invariance = (json.loads(p.read_text("utf-8")) for p in (options.result, options.invariance))
    tables = render(result, invariance)
    risks = render_trust(result["trust"])
    for page in options.risks:
        put(page, risks, RISK_BEGIN, RISK_END)
    if options.card:
        card = (PACKAGED_FOLDER / "states" / CARD_FILE).read_text(encoding="utf-8")
        if RISK_BEGIN not in card:
            card = card.replace(CARD_FIGURES, CARD_FIGURES + CARD_RISKS, 1)
        install_card(insert(card, risks, RISK_BEGIN, RISK_END), "states")
    if options.update:
        put(options.update, tables, BEGIN, END)
    elif not options.risks and not options.card:
        print(tables)


if __name__ == "__main__":
    main()
