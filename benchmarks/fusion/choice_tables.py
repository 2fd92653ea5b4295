"""The tables of what other choices would do: depths of the cells shown, lengths of the parts of a vector."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from benchmarks.fusion.target_tables import Rows, count_better
from benchmarks.fusion.writing import show, sign

_SHIPPED = (0.7, 1.0, 1.0)
_FIGURES = (("rna+adt", "accuracy"), ("rna+adt", "label_ari"), ("rna", "accuracy"), ("adt", "accuracy"))


def tell_depth(rows: Rows) -> list[str]:
    """Tell what views with the panel's own depth add: means over the seeds that have both rows."""
    names = (
        "set",
        "seeds",
        "such views",
        "both: accuracy",
        "label ARI",
        "genes alone",
        "proteins alone",
        "r of proteins",
        "better than totalVI",
    )
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for name in dict.fromkeys(str(row["set"]) for row in rows):
        own = [row for row in rows if row["set"] == name]
        shares = sorted({row["narrow"] for row in own})
        if len(shares) < 2:  # nothing to compare yet
            continue
        seeds = [
            seed
            for seed in sorted({row["seed"] for row in own})
            if {row["narrow"] for row in own if row["seed"] == seed} == set(shares)
        ]
        for share in shares:
            kept = [row for row in own if row["narrow"] == share and row["seed"] in seeds]
            cells = [show(float(np.mean([row[view][key] for row in kept]))) for view, key in _FIGURES]
            told = [row for row in kept if "imputed" in row]
            r = [np.mean([one["r"] for one in row["imputed"].values()]) for row in told]
            cells += (
                [show(float(np.mean(r))), f"{np.mean([count_better(row) for row in told]):g}"]
                if told
                else ["", ""]
            )
            lines.append(f"| {name} | {len(seeds)} | {share:.0%} | {' | '.join(cells)} |")
    return lines


def tell_weights(rows: Rows) -> list[str]:
    """Tell what lengths of the parts do on all sets and labels, and on the one where they lose most."""
    found: dict[tuple[float, ...], dict[tuple[str, str], tuple[float, float]]] = defaultdict(dict)
    for row in rows:
        found[tuple(row["lengths"])][row["set"], row["labels"]] = row["accuracy"], row["ari"]
    base = found[_SHIPPED]
    lines = [
        "| bundle, genes, proteins | accuracy, mean | at best | at worst | ARI, mean | at best | at worst |",
        "|---|---|---|---|---|---|---|",
    ]
    for lengths, of in found.items():
        if not set(base) <= set(of):  # not yet measured on all of them
            continue
        values = np.array([of[key] for key in base])
        apart = values - np.array(list(base.values()))
        cells = [
            f"{show(values[:, i].mean())} | {sign(apart[:, i].max())} | {sign(apart[:, i].min())}"
            for i in (0, 1)
        ]
        lines.append(f"| {', '.join(f'{one:g}' for one in lengths)} | {' | '.join(cells)} |")
    return lines
