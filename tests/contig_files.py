"""Synthetic contigs, and writers of every text layout they come in.

Invariant: all writers write the same contigs, so that all readers must give the same chains.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

_CODONS = {
    "A": "GCT", "C": "TGT", "D": "GAT", "E": "GAA", "F": "TTT", "G": "GGT", "H": "CAT", "I": "ATT",
    "K": "AAA", "L": "CTT", "M": "ATG", "N": "AAT", "P": "CCT", "Q": "CAA", "R": "CGT", "S": "TCT",
    "T": "ACT", "V": "GTT", "W": "TGG", "Y": "TAT",
}  # fmt: skip
GENES = {
    "TRA": (["TRAV1-2", "TRAV38-2/DV8", "TRAV14/DV4"], [""], ["TRAJ33", "TRAJ20", "TRAJ35"], ["TRAC"]),
    "TRB": (["TRBV20-1", "TRBV6-2", "TRBV9"], ["TRBD1", ""], ["TRBJ2-7", "TRBJ1-1"], ["TRBC1", "TRBC2"]),
    "TRG": (["TRGV9"], [""], ["TRGJP"], ["TRGC1"]),
    "TRD": (["TRDV2"], ["TRDD3"], ["TRDJ1"], ["TRDC"]),
}
LAST = {"TRAJ33": "W", "TRAJ35": "C"}
REGIONS = {"v": "L-REGION+V-REGION", "d": "D-REGION", "j": "J-REGION", "c": "C-REGION"}


def encode(residues: str) -> str:
    """Nucleotides of a junction."""
    return "".join(_CODONS[residue] for residue in residues)


def make_contig(kind: str = "TRB", cell_id: str = "AAAC-1", **changes: Any) -> dict[str, Any]:
    """One productive contig of a kind in AIRR words; any field can be changed."""
    v, d, j, c = (names[0] for names in GENES[kind])
    contig = {
        "cell_id": cell_id,
        "sequence_id": f"{cell_id}_contig_1",
        "locus": kind,
        "v_call": v,
        "d_call": d,
        "j_call": j,
        "c_call": c,
        "junction_aa": "CASSLGF" if kind != "TRA" else "CAVRDW",
        "umi_count": 3,
        "consensus_count": 100,
        "productive": True,
        "is_cell": True,
        "high_confidence": True,
    }
    contig |= changes
    if "junction" not in contig:
        contig["junction"] = encode(contig["junction_aa"]) if contig["junction_aa"] else ""
    return contig


def make_contigs(n_cells: int, *, seed: int = 0) -> pd.DataFrame:
    """Contigs of cells with zero to five chains; about a tenth is not productive."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(n_cells):
        cell = "".join(generator.choice(list("ACGT"), 14)) + f"{number:04d}-1".translate(
            str.maketrans("0123456789", "ACGTACGTAC")
        )
        for contig in range(generator.integers(0, 6)):
            locus = str(generator.choice(list(GENES), p=[0.45, 0.45, 0.05, 0.05]))
            v, d, j, c = (str(generator.choice(names)) for names in GENES[locus])
            middle = "".join(generator.choice(list("ADEGLNPQRSTVY"), generator.integers(5, 15)))
            productive = bool(generator.random() > 0.1)
            rows.append(
                make_contig(
                    locus,
                    cell,
                    sequence_id=f"{cell}_contig_{contig + 1}",
                    v_call=v,
                    d_call=d,
                    j_call=j,
                    c_call=c,
                    junction_aa="C" + middle + LAST.get(j, "F"),
                    umi_count=int(generator.integers(1, 4)),
                    consensus_count=int(generator.integers(1, 1000)),
                    productive=productive,
                )
            )
    return pd.DataFrame(rows, columns=list(make_contig()))


def as_10x(contigs: pd.DataFrame, *, generation: int = 18, missing: str = "None") -> pd.DataFrame:
    """The contigs as Cell Ranger's table of 18 (up to 5) or 31 columns (from 6 on)."""
    table = pd.DataFrame(
        {
            "barcode": contigs["cell_id"],
            "is_cell": contigs["is_cell"],
            "contig_id": contigs["sequence_id"],
            "high_confidence": contigs["high_confidence"],
            "length": 500,
            "chain": contigs["locus"],
            "v_gene": contigs["v_call"],
            "d_gene": contigs["d_call"],
            "j_gene": contigs["j_call"],
            "c_gene": contigs["c_call"],
            "full_length": True,
            "productive": contigs["productive"],
        }
    )
    if generation == 31:
        for name in ("fwr1", "cdr1", "fwr2", "cdr2", "fwr3"):
            # in this generation cdr1 holds amino acids and cdr1_nt nucleotides
            table[name], table[f"{name}_nt"] = "SGHNS", "TCTGGTCATAATTCT"
    table["cdr3"], table["cdr3_nt"] = contigs["junction_aa"], contigs["junction"]
    if generation == 31:
        table["fwr4"], table["fwr4_nt"] = "FGPG", "TTTGGTCCTGGT"
    table["reads"], table["umis"] = contigs["consensus_count"], contigs["umi_count"]
    table["raw_clonotype_id"], table["raw_consensus_id"] = "clonotype1", "clonotype1_consensus_1"
    if generation == 31:
        table["exact_subclonotype_id"] = 1
    return table.astype(object).where(table.notna() & (table != ""), missing)


def as_airr(contigs: pd.DataFrame) -> pd.DataFrame:
    """The contigs as an AIRR table; cdr3 and cdr3_aa lack the anchors, flags are T and F."""
    table = contigs.drop(columns=["is_cell", "high_confidence"])
    table["productive"] = table["productive"].map({True: "T", False: "F"})
    table["cdr3_aa"] = table["junction_aa"].str[1:-1]
    table["cdr3"] = table["junction"].str[3:-3]
    table["clone_id"] = "clonotype1"
    return table


def write_json(path: Path, contigs: pd.DataFrame) -> Path:
    """The contigs as all_contig_annotations.json."""
    records = []
    for row in contigs.to_dict("records"):
        annotations = [
            {"feature": {"chain": row["locus"], "gene_name": row[f"{letter}_call"], "region_type": region}}
            for letter, region in REGIONS.items()
            if row[f"{letter}_call"]
        ]
        annotations.append({"feature": {"chain": row["locus"], "gene_name": "TRBV1", "region_type": "5'UTR"}})
        records.append(
            {
                "barcode": row["cell_id"],
                "contig_name": row["sequence_id"],
                "cdr3": row["junction_aa"] or None,
                "cdr3_seq": row["junction"] or None,
                "umi_count": row["umi_count"],
                "read_count": row["consensus_count"],
                "productive": row["productive"],
                "is_cell": row["is_cell"],
                "high_confidence": row["high_confidence"],
                "annotations": annotations,
            }
        )
    path.write_text(json.dumps(records, indent=1))
    return path


def write_table(
    path: Path,
    table: pd.DataFrame,
    *,
    delimiter: str = ",",
    line_end: str = "\n",
    start: str = "",
    encoding: str = "utf-8",
) -> Path:
    """A delimited file; gzip-compressed if the name ends in .gz."""
    text = start + table.to_csv(index=False, sep=delimiter, lineterminator=line_end)
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def make_sample_contigs(barcodes: Any, *, seed: int = 0) -> pd.DataFrame:
    """One productive alpha and beta chain for each of these cells, all different."""
    generator = np.random.default_rng(seed)
    rows = []
    for cell in barcodes:
        for number, (locus, last) in enumerate((("TRA", "W"), ("TRB", "F")), start=1):
            middle = "".join(generator.choice(list("ADEGLNPQRSTVY"), 9))
            name = f"{cell}_contig_{number}"
            rows.append(make_contig(locus, cell, sequence_id=name, junction_aa=f"C{middle}{last}"))
    return pd.DataFrame(rows, columns=list(make_contig()))
