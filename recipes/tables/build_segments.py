"""How the packaged gene table is made from the IMGT table; run as a script to write it anew.

``python -m recipes.tables.build_segments IMGT_TABLE > tcellflow/data/human_tr_segments.tsv``
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

HEADER = ("gene", "locus", "segment", "functionality", "alleles", "cdr1_aa", "cdr2_aa", "j_start", "anchor")
_J_MOTIF = re.compile("[FWC][GA].G")  # the anchor and what follows it; A in TRAJ16, TRGJP1 and TRGJP2


def derive_segments(imgt_table: Path) -> str:
    """Give the text of the packaged table: one line per gene, in the order of the IMGT table."""
    alleles = pd.read_csv(imgt_table, sep="\t", dtype=str, keep_default_na=False)
    lines = ["\t".join(HEADER)]
    for gene, rows in alleles.groupby("gene", sort=False):
        functional = next(word for word in ("F", "ORF", "P") if word in set(rows["functionality"]))
        first = rows[rows["functionality"] == functional].iloc[0]
        j_start, anchor = _j_ends(first) if first["segment"] == "J" else ("", "")
        if first["segment"] == "V" and first["FR3-IMGT"].endswith("C"):
            anchor = "C"
        fields = (gene, first["locus"], first["segment"], functional, ",".join(rows["allele"]))
        lines.append("\t".join((*fields, first["CDR1-IMGT"], first["CDR2-IMGT"], j_start, anchor)))
    return "\n".join(lines) + "\n"


def _j_ends(row: pd.Series) -> tuple[str, str]:
    region, anchor = row["J-REGION"], row["J-PHE"] + row["J-TRP"] + row["J-CYS"]
    if not anchor:
        return "", ""
    found = [match.start() for match in _J_MOTIF.finditer(region)] or [region.index(anchor + "G")]
    return region[: found[-1]], anchor


def main() -> None:
    """Write the table to stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("imgt_table", type=Path)
    sys.stdout.write(derive_segments(parser.parse_args().imgt_table))


if __name__ == "__main__":
    main()
