"""Fill the tables of docs/fusion-evaluation.md from the rows that the other scripts left.

    python -m benchmarks.fusion.tables [--results FOLDER] [--check]

Reads ``neighbours.jsonl``, ``ablations.jsonl`` and ``speed.jsonl``; each table stands between two comments
that name it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "fusion-evaluation.md"
RESULTS = Path(__file__).parent / "results"
LABELS = {
    "wnn_cluster_scMMAE": "clusters (WNN)",
    "cell_type_l2": "gates",
    "tagtango_Fine_RNA": "types by genes",
    "rna_annotation": "clusters of genes",
    "cluster_scdcc": "clusters",
    "adt_state": "gates",
}
SYSTEMS = ("fuse, rna+adt", "bundle alone, rna+adt", "wnn", "mofa")
SINGLE = (("PCA", "fuse, rna"), ("CLR", "fuse, adt"))
_T = 4.303  # of Student's distribution with two degrees of freedom, 95 %
Rows = list[dict[str, object]]


def main() -> None:
    """Fill or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the page is old")
    options = parser.parse_args()
    rows = {
        name: read_rows(options.results / f"{name}.jsonl") for name in ("neighbours", "ablations", "speed")
    }
    tables = {
        "both": tell_both(rows["neighbours"]),
        "single": tell_single(rows["neighbours"]),
        "groups": tell_groups(rows["neighbours"]),
        "ablations": tell_ablations(rows["ablations"]),
        "speed": tell_speed(rows["speed"]),
    }
    before = PAGE.read_text(encoding="utf-8")
    after = before
    for name, lines in tables.items():
        marks = rf"(<!-- table {name} -->\n).*?(<!-- end -->)"
        text = "\n".join(lines) + "\n"
        after = re.sub(marks, lambda found, text=text: found[1] + text + found[2], after, flags=re.DOTALL)
    if options.check:
        sys.exit(int(before != after))
    PAGE.write_text(after, encoding="utf-8")


def read_rows(path: Path) -> Rows:
    """Read lines of JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def group(rows: Rows) -> dict[tuple[str, str], dict[str, dict[str, object]]]:
    """Give the rows of each set and label, by system."""
    found: dict[tuple[str, str], dict[str, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        found[row["set"], row["labels"]][row["system"]] = row
    return found


def tell_both(rows: Rows) -> list[str]:
    """Tell what neighbours say with both modalities."""
    lines = [
        "| set | labels | cells | PCA and CLR | fuse | fuse less PCA and CLR | bundle alone | WNN | MOFA+ |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for (name, label), found in group(rows).items():
        fused = found["fuse, rna+adt"]
        value, low, high = fused["difference"]
        others = [show(found[system]["accuracy"][0]) if system in found else "" for system in SYSTEMS[1:]]
        lines.append(
            f"| {name} | {LABELS[label]} | {fused['cells']:,} | {show(found['PCA and CLR']['accuracy'][0])} "
            f"| {show(fused['accuracy'][0])} | {sign(value)} ({sign(low)} to {sign(high)}) "
            f"| {' | '.join(others)} |"
        )
    return lines


def tell_single(rows: Rows) -> list[str]:
    """Tell the same of one modality."""
    lines = ["| set | labels | PCA | fuse, genes | difference | CLR | fuse, proteins | difference |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for (name, label), found in group(rows).items():
        cells = []
        for rival, fused in SINGLE:
            value, low, high = found[fused]["difference"]
            cells += [show(found[one]["accuracy"][0]) for one in (rival, fused)]
            cells.append(f"{sign(value)} ({sign(low)} to {sign(high)})")
        lines.append(f"| {name} | {LABELS[label]} | {' | '.join(cells)} |")
    return lines


def tell_groups(rows: Rows) -> list[str]:
    """Tell how Leiden's groups agree with the labels."""
    systems = ("PCA and CLR", *SYSTEMS)
    lines = [
        "| set | labels | PCA and CLR | fuse | bundle alone | WNN | MOFA+ |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, label), found in group(rows).items():
        cells = [
            f"{show(found[one]['ari'])} ± {show(found[one]['ari_sd'])} / {show(found[one]['nmi'])}"
            if one in found
            else ""
            for one in systems
        ]
        lines.append(f"| {name} | {LABELS[label]} | {' | '.join(cells)} |")
    return lines


def tell_ablations(rows: Rows) -> list[str]:
    """Tell what mixers and orders do: mean over seeds, and 95 % intervals of paired differences."""
    found: dict[tuple[str, str, str], dict[int, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        found[row["architecture"], row["mixer"], row["order"]][row["seed"]] = row
    names = ("design", "mixer", "order", "seeds", "accuracy", "less no mixer", "genes alone")
    lines = [
        f"| {' | '.join(names)} | error of masked genes | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (design, mixer, order), of_seed in found.items():
        base = found.get((design, "none", "genome"), {})
        shared = sorted(set(base) & set(of_seed))
        apart = np.array([of_seed[seed]["accuracy"] - base[seed]["accuracy"] for seed in shared])
        difference = ""
        if mixer != "none" and len(shared) > 2:
            half = _T * apart.std(ddof=1) / np.sqrt(len(shared))
            difference = f"{sign(apart.mean())} ({sign(apart.mean() - half)} to {sign(apart.mean() + half)})"
        errors = [row["masked_error"] for row in of_seed.values() if "masked_error" in row]
        lines.append(
            f"| {design} | {mixer} | {order if mixer != 'none' else ''} | {len(of_seed)} "
            f"| {average(of_seed, 'accuracy')} | {difference} | {average(of_seed, 'accuracy_rna')} "
            f"| {show(float(np.mean(errors))) if errors else ''} "
            f"| {np.mean([row['cpu_seconds'] for row in of_seed.values()]):.0f} |"
        )
    return lines


def average(of_seed: dict[int, dict[str, object]], key: str) -> str:
    """Give the mean of a figure over seeds."""
    return show(float(np.mean([row[key] for row in of_seed.values()])))


def tell_speed(rows: Rows) -> list[str]:
    """Tell time and memory."""
    lines = ["| what is computed | CPU s | peak MiB |", "|---|---|---|"]
    return lines + [f"| {row['row']} | {row['cpu_seconds']:.1f} | {row['peak_mib']:,} |" for row in rows]


def show(value: float) -> str:
    """Write a share with three decimals."""
    return f"{value:.3f}".lstrip("0") if 0 <= value < 1 else f"{value:.3f}"


def sign(value: float) -> str:
    """Write a difference with its sign."""
    return ("+" if value >= 0 else "-") + show(abs(value))


if __name__ == "__main__":
    main()
