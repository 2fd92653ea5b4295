"""Build ``cell_ontology.parquet``: the live terms of the Cell Ontology with names, synonyms and parents.

Run as ``python -m recipes.language.build_ontology cl_terms.json.gz tcellflow/data/cell_ontology.parquet``.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def build(source: Path, target: Path) -> None:
    """Write the table of live terms."""
    with gzip.open(source, "rt", encoding="utf-8") as text:
        terms = json.load(text)["terms"]
    live = sorted(
        (term for term in terms if not term.get("deprecated") and term["name"]), key=lambda term: term["id"]
    )
    known = {term["id"] for term in live}
    rows = [
        {
            "cl_id": term["id"],
            "name": term["name"],
            "synonyms": "|".join(sorted({s["text"].replace("|", "/") for s in term.get("synonyms") or []})),
            "parents": "|".join(p for p in term.get("parents") or [] if p in known),
            "definition": term.get("definition") or "",
        }
        for term in live
    ]
    pq.write_table(pa.Table.from_pylist(rows), target, compression="zstd", compression_level=19)
    print(f"{len(rows)} terms, {target.stat().st_size} bytes")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
