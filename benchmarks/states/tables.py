"""Write the figures of `evaluate.py` as Markdown tables."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

FIGURES = {
    "macro_f1": "macro-F1",
    "macro_f1_closed": "macro-F1, of the three",
    "balanced_accuracy": "balanced accuracy",
    "ece": "ECE",
    "aurc": "AURC",
}
EMPTY = ""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def render(result: dict[str, Any]) -> str:
    """Write all tables."""
    parts = [render_sets(result["held_out"]), render_gains(result["held_out"])]
    if result.get("out_of_distribution"):
        parts.append(render_ood(result["out_of_distribution"]))
    if result.get("random_split"):
        parts.append(render_random(result["random_split"]))
    if result.get("curves"):
        parts.append(render_curves(result["curves"]))
    return "\n\n".join(parts) + "\n"


def render_sets(held_out: dict[str, Any]) -> str:
    """One row per held-out set and row of the table."""
    lines = [_line(["held out", "row", "seeds", *FIGURES.values()]), _rule(3 + len(FIGURES))]
    for name, found in held_out.items():
        for row, entry in found["rows"].items():
            cells = [_with_sd(entry["figures"][key], entry["seeds"]) for key in FIGURES]
            lines.append(_line([name, row, str(entry["seeds"]), *cells]))
    return "\n".join(lines)


def render_gains(held_out: dict[str, Any]) -> str:
    """Ours less each row, with paired intervals; empty where ours was not held out."""
    rows = list(dict.fromkeys(row for found in held_out.values() for row in found["rows"]))
    lines = [_line(["ours less …", *held_out]), _rule(1 + len(held_out))]
    for row in rows:
        gains = [
            (found["rows"].get(row) or {}).get("compared", {}).get("macro_f1", {}).get("ours_less_this")
            for found in held_out.values()
        ]
        if any(gains):
            lines.append(_line([row, *(_interval(gain) if gain else EMPTY for gain in gains)]))
    return "\n".join(lines) if len(lines) > 2 else "No set was held out of the bundle."


def render_ood(sets: dict[str, Any]) -> str:
    """AUROC of each kind of cells out of distribution: the score alone / behind the gate."""
    kinds = [k for k in dict.fromkeys(k for found in sets.values() for k in found) if k != "t_cells"]
    kinds = [kind for kind in kinds if kind != "refused"]
    lines = [_line(["held out", "T cells", *kinds]), _rule(2 + len(kinds))]
    for name, found in sets.items():
        if "refused" in found:
            lines.append(_line([name, found["refused"], *[EMPTY] * len(kinds)]))
            continue
        lines.append(_line([name, str(found["t_cells"]), *(_auroc(found.get(kind)) for kind in kinds)]))
    return "\n".join(lines)


def render_random(rows: dict[str, Any]) -> str:
    """One row per row of the table."""
    lines = [_line(["split by cell", "seeds", *FIGURES.values()]), _rule(2 + len(FIGURES))]
    for row, entry in rows.items():
        cells = [_with_sd(entry["figures"][key], entry["seeds"]) for key in FIGURES]
        lines.append(_line([row, str(entry["seeds"]), *cells]))
    return "\n".join(lines)


def render_curves(curves: dict[str, Any]) -> str:
    """Mean macro-F1 over the held-out sets for each loss."""
    rows = list(dict.fromkeys(row for found in curves.values() for row in found))
    lines = [_line(["cells", *rows]), _rule(1 + len(rows))]
    for loss, found in curves.items():
        lines.append(_line([loss, *(EMPTY if found.get(r) is None else f"{found[r]:.3f}" for r in rows)]))
    return "\n".join(lines)


def _auroc(found: dict[str, Any] | None) -> str:
    if found is None:
        return EMPTY
    if found.get("refused"):
        return "refused"
    alone = "no score" if found["ood_score"] is None else f"{found['ood_score']:.3f}"
    return f"{alone} / {found['with_gate']:.3f}"


def _with_sd(figure: list[float], seeds: int) -> str:
    return f"{figure[0]:.3f}" if seeds == 1 else f"{figure[0]:.3f} ± {figure[1]:.3f}"


def _interval(values: list[float]) -> str:
    text = f"{values[0]:+.3f} ({values[1]:+.3f} to {values[2]:+.3f})"
    return f"**{text}**" if values[1] > 0 or values[2] < 0 else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(n: int) -> str:
    return "|" + "---|" * n


def put(page: Path, tables: str, begin: str, end: str) -> None:
    """Put tables between two markers of a page."""
    page.write_text(insert(page.read_text(encoding="utf-8"), tables, begin, end), encoding="utf-8")


def insert(text: str, tables: str, begin: str, end: str) -> str:
    """Give a text with tables between its markers, in the place of what stood there."""
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{tables.strip()}\n\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Print the tables of a JSON file, or put them into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--update", type=Path, help="Markdown page with markers")
    options = parser.parse_args()
    tables = render(json.loads(options.result.read_text(encoding="utf-8")))
    if options.update:
        put(options.update, tables, BEGIN, END)
    else:
        print(tables)


if __name__ == "__main__":
    main()
