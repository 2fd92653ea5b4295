"""Derive the packaged table of gene places from the reference data folder.

    python -m recipes.tables.build_places --data DIR

Of each approved symbol the chromosome and first base are taken; places on patches and alternative
sequences are left out.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.genes.order import CHROMOSOMES
from tcellflow.genes.reference import read_gene_reference

OUTPUT = Path(__file__).resolve().parents[2] / "tcellflow" / "data" / "gene_places.parquet"


def main() -> None:
    """Write gene_places.parquet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with gene_reference")
    folder = parser.parse_args().data / "gene_reference"
    places = pd.read_csv(folder / "gene_order_by_symbol.tsv.gz", sep="\t", dtype={"chrom": str})
    approved = read_gene_reference().approved
    places["number"] = places.chrom.replace({"M": "MT"}).map({name: i for i, name in enumerate(CHROMOSOMES)})
    is_ensembl = places.position_source.str.startswith("ensembl")
    kept = places[places.number.notna() & places.symbol.isin(approved) & is_ensembl].drop_duplicates("symbol")
    kept = kept.sort_values(["number", "start", "symbol"])
    table = pa.table(
        {
            "symbol": pa.array(kept.symbol.tolist(), pa.string()),
            "chromosome": pa.array(kept.number.astype(int).tolist(), pa.int8()),
            "start": pa.array(kept.start.tolist(), pa.int32()),
        }
    )
    pq.write_table(
        table, OUTPUT, compression="zstd", compression_level=19, use_dictionary=["chromosome"],
        column_encoding={"start": "DELTA_BINARY_PACKED", "symbol": "DELTA_BYTE_ARRAY"},
    )  # fmt: skip
    digest = hashlib.sha256(OUTPUT.read_bytes()).hexdigest()
    print(OUTPUT.name, len(kept), "genes,", OUTPUT.stat().st_size, "bytes, sha256", digest)


if __name__ == "__main__":
    main()
