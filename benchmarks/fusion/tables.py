"""Fill the tables of docs/fusion-evaluation.md from the rows that the other scripts left.

    python -m benchmarks.fusion.tables [--results FOLDER] [--check]

Reads ``neighbours.jsonl``, ``few_genes.jsonl``, ``ablations.jsonl``, ``masked.jsonl``,
``published.jsonl``, ``choices.jsonl``,
``speed.jsonl``, ``peers.jsonl`` and ``targets.jsonl``, those that are there; each table stands between two
comments with its name.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.fusion.choice_tables import tell_depth, tell_weights
from benchmarks.fusion.target_tables import tell_costs, tell_learnt, tell_unlearnt
from benchmarks.fusion.writing import show, sign

PAGE = Path(__file__).parents[2] / "docs" / "fusion-evaluation.md"
RESULTS = Path(__file__).parent / "measured"
LABELS = {
    "wnn_cluster_scMMAE": "clusters (WNN)",
    "cell_type_l2": "gates",
    "tagtango_Fine_RNA": "types by genes",
    "rna_annotation": "clusters of genes",
    "cluster_scdcc": "clusters",
    "adt_state": "gates",
    "condensed_cell_type": "types by both",
}
NAMES = {
    "PCA and CLR": "PCA and CLR",
    "PCA": "PCA of genes",
    "CLR": "CLR of proteins",
    "fuse": "fuse (set never seen)",
    "fuse, genes": "fuse, genes alone",
    "fusion": "perceptron, 27 % of the labels",
    "scfusionttt": "scFusionTTT, 27 % of the labels",
    "wnn": "WNN (muon)",
    "mofa": "MOFA+",
    "totalvi": "totalVI",
    "totalanvi": "TotalANVI, 27 % of the labels",
}
SYSTEMS = ("fuse, rna+adt", "bundle alone, rna+adt", "wnn", "mofa", "totalvi")
PROGRAMS = {
    **{name: NAMES[name] for name in ("wnn", "mofa", "totalvi", "totalanvi")},
    "train fusion": "`tcellflow train fusion`, as by default",
    "fuse": "`tcellflow fuse`, clusters and map",
}
SINGLE = (("PCA", "fuse, rna"), ("CLR", "fuse, adt"))
_T = {3: 4.303, 4: 3.182, 5: 2.776}  # of Student's distribution by seeds, 95 %
Rows = list[dict[str, object]]


def main() -> None:
    """Fill or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the page is old")
    options = parser.parse_args()
    tables = {
        table: tell(read_rows(path))
        for table, (name, tell) in TABLES.items()
        if (path := options.results / f"{name}.jsonl").exists()
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
    names = "set | labels | cells | PCA and CLR | the same, averaged | fuse | fuse less PCA and CLR"
    lines = [f"| {names} | bundle alone | WNN | MOFA+ | totalVI |", "|---" * 11 + "|"]
    for (name, label), found in group(rows).items():
        fused = found["fuse, rna+adt"]
        value, low, high = fused["difference"]
        others = [show(found[system]["accuracy"][0]) if system in found else "" for system in SYSTEMS[1:]]
        lines.append(
            f"| {name} | {LABELS[label]} | {fused['cells']:,} | {show(found['PCA and CLR']['accuracy'][0])} "
            f"| {show(found['PCA and CLR, averaged']['accuracy'][0])} "
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


def tell_few(rows: Rows) -> list[str]:
    """Tell what neighbours say where few genes were counted."""
    names = "set | genes | labels | PCA and CLR | fuse | difference | PCA | fuse, genes | difference"
    lines = [f"| {names} |", "|---" * 9 + "|"]
    for (name, label), found in group(rows).items():
        cells = []
        for rival, fused in (("PCA and CLR", "fuse, rna+adt"), ("PCA", "fuse, rna")):
            value, low, high = found[fused]["difference"]
            cells += [show(found[one]["accuracy"][0]) for one in (rival, fused)]
            cells.append(f"{sign(value)} ({sign(low)} to {sign(high)})")
        genes = found["PCA"]["genes"]
        lines.append(f"| {name} | {genes:,} | {LABELS[label]} | {' | '.join(cells)} |")
    return lines


def tell_groups(rows: Rows) -> list[str]:
    """Tell how Leiden's groups agree with the labels."""
    systems = ("PCA and CLR", *SYSTEMS)
    lines = [
        "| set | labels | PCA and CLR | fuse | bundle alone | WNN | MOFA+ | totalVI |",
        "|---|---|---|---|---|---|---|---|",
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
    """Tell what designs do: mean over seeds, and 95 % intervals of paired differences."""
    found: dict[tuple[object, ...], dict[int, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        key = tuple(row[name] for name in ("architecture", "mixer", "order", "patch", "masked", "pretrained"))
        found[key][row["seed"]] = row
    names = ("design", "mixer", "order", "other", "seeds", "accuracy", "less its base", "genes alone")
    lines = [
        f"| {' | '.join(names)} | gates | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    usual = (40, 0.15, True)
    plain = found.get(("fusion", "none", "genome", *usual), {})
    for (design, mixer, order, patch, masked, pretrained), of_seed in found.items():
        other = [] if patch == 40 else [f"patches of {patch}"]
        other += [] if masked == 0.15 else [f"{masked:.0%} masked"]
        other += [] if pretrained else ["not pre-trained"]
        base = found.get((design, mixer, order, *usual), {}) if other else plain
        where = order if mixer != "none" else ""
        lines.append(
            f"| {design} | {mixer} | {where} | {', '.join(other)} | {len(of_seed)} "
            f"| {average(of_seed, 'accuracy')} | {'' if of_seed is base else compare(of_seed, base)} "
            f"| {average(of_seed, 'accuracy_rna')} | {average(of_seed, 'ari_gates')} "
            f"| {np.mean([row['cpu_seconds'] for row in of_seed.values()]):.0f} |"
        )
    return lines


def tell_masked(rows: Rows) -> list[str]:
    """Tell how well masked genes are told, which no label has a part in."""
    found: dict[tuple[str, str], dict[int, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        found[row["mixer"], row["order"]][row["seed"]] = row
    base = found.get(("ttt", "genome"), {})
    lines = ["| mixer | order | seeds | squared error | less TTT in genome order |", "|---|---|---|---|---|"]
    for (mixer, order), of_seed in found.items():
        apart = "" if of_seed is base else compare(of_seed, base, "masked_error")
        where = order if mixer != "none" else ""
        lines.append(f"| {mixer} | {where} | {len(of_seed)} | {average(of_seed, 'masked_error')} | {apart} |")
    return lines


def compare(
    of_seed: dict[int, dict[str, object]], base: dict[int, dict[str, object]], name: str = "accuracy"
) -> str:
    """Give the mean difference of a figure, with an interval from three seeds on."""
    shared = sorted(set(base) & set(of_seed))
    apart = np.array([of_seed[seed][name] - base[seed][name] for seed in shared])
    if len(shared) not in _T:
        return sign(float(apart.mean())) if shared else ""
    half = _T[len(shared)] * apart.std(ddof=1) / np.sqrt(len(shared))
    return f"{sign(apart.mean())} ({sign(apart.mean() - half)} to {sign(apart.mean() + half)})"


def tell_published(rows: Rows) -> list[str]:
    """Tell the ten metrics of the paper's protocol."""
    names = ("ari", "nmi", "ami", "fmi", "ji", "f", "asw", "sc", "chi", "dbi")
    lines = [
        f"| set | system | seeds | {' | '.join(name.upper() for name in names)} |",
        "|" + "---|" * (len(names) + 3),
    ]
    for row in rows:
        if row["protocol"] == "paper":
            cells = [spread(row, name) for name in names]
            lines.append(f"| {row['set']} | {NAMES[row['system']]} | {row['seeds']} | {' | '.join(cells)} |")
    return lines


def tell_honest(rows: Rows) -> list[str]:
    """Tell the figures of cells whose labels nobody learnt, by clusters and by gates."""
    names = ("ari", "nmi", "sc", "dbi")
    heads = [f"{name.upper()}, {kind}" for name in names for kind in ("clusters", "gates")]
    lines = [f"| set | system | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    found: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in rows:
        if row["protocol"] == "honest":
            found[row["set"], row["system"]].append(row)
    for (name, system), kinds in found.items():
        gates = kinds[1] if len(kinds) > 1 else {}
        cells = [
            spread(row, metric) if metric in row else "" for metric in names for row in (kinds[0], gates)
        ]
        lines.append(f"| {name} | {NAMES[system]} | {' | '.join(cells)} |")
    return lines


def tell_peers(rows: Rows) -> list[str]:
    """Tell what training costs, ours and others'."""
    lines = ["| program | set | cells | epochs | CPU s | peak MiB |", "|---|---|---|---|---|---|"]
    for row in rows:
        epochs = f"{row['epochs']} of {row['of']}" if "epochs" in row else ""
        lines.append(
            f"| {PROGRAMS[row['program']]} | {row['set']} | {row['cells']:,} | {epochs} "
            f"| {row['cpu_seconds']:,.1f} | {row['peak_mib']:,} |"
        )
    return lines


def spread(row: dict[str, object], name: str) -> str:
    """Write mean and deviation of a metric."""
    mean, deviation = row[name]
    return f"{mean:,.0f}" if name == "chi" else f"{show(mean)} ± {show(deviation)}"


def tell_refit(rows: Rows) -> list[str]:
    """Tell how well proteins are told with and without refitting."""
    lines = [
        "| set | cells | proteins | bundle | refit | all proteins | refit |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {row['set']} | {row['cells']:,} | {row['proteins']} | {show(row['bundle'])} "
        f"| {show(row['refit'])} | {row['all_proteins']} | {show(row['refit_all'])} |"
        for row in rows
        if row["choice"] == "refit"
    ]


def tell_intervals(rows: Rows) -> list[str]:
    """Tell how often intervals of told proteins hold."""
    found: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        if row["choice"] == "intervals":
            found[row["set"]][row["view"]] = row
    lines = ["| set | proteins | measured in the sample | not measured |", "|---|---|---|---|"]
    for name, by in found.items():
        values = " | ".join(show(by[view]["inside"]) for view in ("rna+adt", "rna"))
        lines.append(f"| {name} | {by['rna']['proteins']} | {values} |")
    return lines


def tell_norms(rows: Rows) -> list[str]:
    """Tell what normalising antibodies otherwise does to neighbours."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:
        if "labels" in row:
            found[row["set"], row["labels"]][row["choice"]] = row["accuracy"]
    lines = ["| set | labels | clr | mixture | dsb |", "|---|---|---|---|---|"]
    for (name, label), by in found.items():
        values = " | ".join(show(by[norm]) for norm in ("clr", "mixture", "dsb"))
        lines.append(f"| {name} | {LABELS[label]} | {values} |")
    return lines


def average(of_seed: dict[int, dict[str, object]], key: str) -> str:
    """Give the mean of a figure over seeds."""
    return show(float(np.mean([row[key] for row in of_seed.values()])))


def tell_speed(rows: Rows) -> list[str]:
    """Tell time and memory."""
    lines = ["| what is computed | cells | CPU s | peak MiB |", "|---|---|---|---|"]
    return lines + [
        f"| {row['row']} | {row['cells']:,} | {row['cpu_seconds']:,.1f} | {row['peak_mib']:,} |"
        for row in rows
    ]


TABLES = {
    "both": ("neighbours", tell_both),
    "single": ("neighbours", tell_single),
    "few": ("few_genes", tell_few),
    "groups": ("neighbours", tell_groups),
    "ablations": ("ablations", tell_ablations),
    "masked": ("masked", tell_masked),
    "published": ("published", tell_published),
    "honest": ("published", tell_honest),
    "refit": ("choices", tell_refit),
    "intervals": ("choices", tell_intervals),
    "norms": ("choices", tell_norms),
    "speed": ("speed", tell_speed),
    "peers": ("peers", tell_peers),
    "depth": ("depth", tell_depth),
    "weights": ("weights", tell_weights),
    "targets": ("targets", tell_learnt),
    "targets-groups": ("neighbours", tell_unlearnt),
    "targets-costs": ("speed", tell_costs),
}

if __name__ == "__main__":
    main()
