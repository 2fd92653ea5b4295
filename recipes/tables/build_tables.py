"""Derive the packaged gene and antibody tables from the reference data folder.

    python -m recipes.tables.build_tables --data DIR

Only facts are taken (which id carries which symbol, which name stood for which gene); no file of
the source packages is copied. The output is byte-stable for the same input and pyarrow version.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.proteins.names import AntibodyKind, find_kind, name_key

OPEN_READING_FRAME = re.compile(r"C(?:\d+|X|Y)orf\d+\w*")
OUTPUT = Path(__file__).resolve().parents[2] / "tcellflow" / "data"
# A name that can stand in the gene column of a matrix; prose ("A kinase anchor protein 1"),
# one-letter and one-sign names are left out.
PLAUSIBLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{1,24}")


def main() -> None:
    """Write genes.parquet, gene_aliases.parquet and antibodies.tsv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with gene_reference, text, adt_reference"
    )
    data = parser.parse_args().data
    OUTPUT.mkdir(exist_ok=True)
    genes, aliases = build_gene_tables(data)
    write_parquet(genes, OUTPUT / "genes.parquet")
    write_parquet(aliases, OUTPUT / "gene_aliases.parquet")
    antibodies = build_antibody_table(data, genes, aliases)
    rows = "".join(f"{key}\t{symbols}\n" for key, symbols in sorted(antibodies.items()))
    (OUTPUT / "antibodies.tsv").write_text("key\tgenes\n" + rows)
    for name in ("genes.parquet", "gene_aliases.parquet", "antibodies.tsv"):
        path = OUTPUT / name
        print(name, path.stat().st_size, "bytes, sha256", hashlib.sha256(path.read_bytes()).hexdigest())


def read_sources(data: Path) -> dict[str, pd.DataFrame]:
    """Read the four gene sources; missing values are empty strings."""
    folder = data / "gene_reference"
    return {
        "ensembl": pd.read_parquet(
            folder / "ensembl_grch38_genes.parquet", columns=["ensembl_id", "symbol"]
        ).fillna(""),
        "hgnc": pd.read_parquet(folder / "hgnc_gene_aliases_AbNames2023.parquet").fillna(""),
        "checked": pd.read_csv(folder / "hgnchelper_symbol_map_2022.tsv.gz", sep="\t", keep_default_na=False),
        "ncbi": pd.read_csv(
            data / "text" / "ncbi_genes_human.tsv.gz", sep="\t", keep_default_na=False, dtype=str
        ),
    }


def build_gene_tables(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give (symbol, ensembl_number) of approved genes and (alias, symbols) of all other names."""
    sources = read_sources(data)
    ensembl, hgnc, checked, ncbi = (sources[k] for k in ("ensembl", "hgnc", "checked", "ncbi"))
    symbol_of_id = {i: s for i, s in zip(ensembl.ensembl_id, ensembl.symbol, strict=True) if s}
    is_symbol = hgnc.symbol_type == "HGNC_SYMBOL"
    hgnc_symbols = set(hgnc.HGNC_SYMBOL)
    former = hgnc[(hgnc.symbol_type == "PREVIOUS_SYMBOL") & hgnc.SOURCE.str.contains("HGNC")]
    former_pairs = set(zip(former.value, former.HGNC_SYMBOL, strict=True))

    # Ensembl 109 and the HGNC release disagree on ~80 genes that were renamed between them:
    # the symbol that the other lists as its former name is the older one.
    for gene_id, symbol in zip(hgnc.ENSEMBL_ID[is_symbol], hgnc.HGNC_SYMBOL[is_symbol], strict=True):
        if (symbol_of_id.get(gene_id, ""), symbol) in former_pairs:
            symbol_of_id[gene_id] = symbol
    current = set(symbol_of_id.values())
    successor = find_successors(current, hgnc, is_symbol, checked, ncbi, symbol_of_id)
    listed = {name for name in hgnc_symbols | set(checked.approved_symbol) if PLAUSIBLE_NAME.fullmatch(name)}
    approved = current | (listed - set(successor))

    official = former_pairs | set(successor.items())
    ncbi_symbols = set(ncbi.symbol)
    official |= {
        (symbol, symbol_of_id[gene_id])
        for symbol, gene_id in zip(ncbi.symbol, ncbi.ensembl, strict=True)
        if symbol_of_id.get(gene_id, symbol) not in ncbi_symbols
    }
    official |= {
        (old, symbol_of_id[gene_id])
        for gene_id, old in zip(ensembl.ensembl_id, ensembl.symbol, strict=True)
        if old and symbol_of_id[gene_id] != old
    }
    # HGNC renamed the septins in 2019, after the NCBI release at hand was written for some of them
    # and before; SEPT2 would otherwise tie with an alias of SEPTIN6.
    official |= {(f"SEPT{n}", f"SEPTIN{n}") for n in range(1, 15)}
    nicknames = hgnc[hgnc.symbol_type.isin(["ALIAS"]) & hgnc.SOURCE.str.contains("HGNC")]
    nick = set(zip(nicknames.value, nicknames.HGNC_SYMBOL, strict=True))
    nick |= set(zip(checked.symbol, checked.approved_symbol, strict=True))
    nick |= {
        (synonym, symbol)
        for symbol, synonyms in zip(ncbi.symbol, ncbi.synonyms, strict=True)
        for synonym in synonyms.split("|")
    }
    # open reading frames are often upper-cased: C1ORF159, and C2ORF40 for today's ECRG4
    nick |= {(symbol.upper(), symbol) for symbol in approved if symbol != symbol.upper()}
    official |= {(old.upper(), symbol) for old, symbol in official if OPEN_READING_FRAME.fullmatch(old)}
    return gene_table(symbol_of_id, approved), alias_table(official, nick, successor, approved)


def find_successors(
    current: set[str],
    hgnc: pd.DataFrame,
    is_symbol: pd.Series,
    checked: pd.DataFrame,
    ncbi: pd.DataFrame,
    symbol_of_id: dict[str, str],
) -> dict[str, str]:
    """Map symbols approved in an older release to the one their Ensembl id carries now."""
    ids_of: dict[str, set[str]] = defaultdict(set)
    for symbol, gene_id in zip(hgnc.HGNC_SYMBOL[is_symbol], hgnc.ENSEMBL_ID[is_symbol], strict=True):
        ids_of[symbol].add(gene_id)
    for symbol, gene_id in zip(ncbi.symbol, ncbi.ensembl, strict=True):
        ids_of[symbol].add(gene_id)
    # Two symbols of one release are two genes, even if a later release gives both one id
    # (UBXN10-AS1 is no former name of PLA2G2C, in which it lies).
    releases = (set(hgnc.HGNC_SYMBOL), set(checked.approved_symbol))
    successor = {}
    for symbol in (releases[0] | releases[1]) - current:
        now = {symbol_of_id[i] for i in ids_of[symbol] if i in symbol_of_id}
        for release in releases:
            if symbol in release:
                now -= release
        if len(now) == 1:
            successor[symbol] = now.pop()
    return successor


def gene_table(symbol_of_id: dict[str, str], approved: set[str]) -> pd.DataFrame:
    """One row per Ensembl id with a symbol, then one per approved symbol without an id."""
    rows = sorted((int(gene_id.removeprefix("ENSG")), symbol) for gene_id, symbol in symbol_of_id.items())
    without_id = sorted(approved - set(symbol_of_id.values()))
    return pd.DataFrame(
        {
            "symbol": [symbol for _, symbol in rows] + without_id,
            "ensembl_number": pd.array([n for n, _ in rows] + [None] * len(without_id), dtype="Int32"),
        }
    )


def alias_table(
    official: set[tuple[str, str]], nick: set[tuple[str, str]], successor: dict[str, str], approved: set[str]
) -> pd.DataFrame:
    """One row per name that is not approved: the gene, or all candidates joined by '|'.

    A former official symbol outranks nicknames (QARS: formerly QARS1's symbol, and an alias of
    EPRS1): matrices are labelled with official symbols of their day.
    """

    def targets(pairs: set[tuple[str, str]]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for name, symbol in pairs:
            now = successor.get(symbol, symbol)
            if name not in approved and now in approved and PLAUSIBLE_NAME.fullmatch(name):
                found[name].add(now)
        return found

    found = {**targets(nick), **targets(official)}
    return pd.DataFrame(
        [(name, "|".join(sorted(symbols))) for name, symbols in sorted(found.items())],
        columns=["alias", "symbols"],
    )


# Antibodies the listing leaves out or gets wrong, by what they bind.
ANTIBODY_GENES = {
    "B220 (CD45R)": "PTPRC", "CD8b": "CD8B", "CD11a/CD18": "ITGAL|ITGB2", "CD16b": "FCGR3B",
    "CD42b": "GP1BA", "CD66": "CEACAM1|CEACAM3|CEACAM5|CEACAM6|CEACAM8",
    "CD209/CD299": "CD209|CLEC4M", "CD158": "KIR2DL1|KIR2DS1|KIR2DS3|KIR2DS5",
    "CLA": "SELPLG", "GARP": "LRRC32", "HLA-A2": "HLA-A", "HLA-ABC": "HLA-A|HLA-B|HLA-C",
    "HLA-DP": "HLA-DPA1|HLA-DPB1", "HLA-DQ": "HLA-DQA1|HLA-DQB1", "HLA-DR": "HLA-DRA",
    "HLA-DR, DP, DQ": "HLA-DRA|HLA-DPA1|HLA-DQA1", "MHCII": "HLA-DRA", "pan-HLA class I": "B2M",
    "IgA": "IGHA1|IGHA2", "IgG": "IGHG1|IGHG2|IGHG3|IGHG4", "IgG Fc": "IGHG1|IGHG2|IGHG3|IGHG4",
    "Ig light chain kappa": "IGKC", "Ig light chain lambda": "IGLC1|IGLC2|IGLC3",
    "MICA/MICB": "MICA|MICB", "Integrin beta 7": "ITGB7",
    # T-cell receptors; V genes by IMGT name (Arden V beta 13.1 = TRBV6-5, V alpha 24 = TRAV10)
    "TCR": "TRAC|TRBC1|TRBC2", "TCRab": "TRAC|TRBC1|TRBC2", "TCRa": "TRAC", "TCRb": "TRBC1|TRBC2",
    "TCRgd": "TRDC|TRGC1|TRGC2", "TCRg": "TRGC1|TRGC2", "TCRd": "TRDC", "TCRa7": "TRAV1-2",
    "TCRa7.2": "TRAV1-2", "TCR Va7.2": "TRAV1-2", "TCRa24": "TRAV10", "TCR Va24-Ja18": "TRAV10|TRAJ18",
    "TCR Vb13": "TRBV6-5", "TCR Vb13.1": "TRBV6-5", "TCR Vd2": "TRDV2", "TCRd2": "TRDV2",
    "TCR Vg9": "TRGV9", "TCRg9": "TRGV9",
}  # fmt: skip
# No gene of the cell: haptens, tags and fluorochromes.
NOT_PROTEINS = ("Biotin", "FITC", "Phycoerythrin", "PE", "Allophycocyanin", "APC", "His Tag", "HA.11")
CD_NUMBER = re.compile(r"CDw?\d+[A-Za-z]{0,2}\d?")


def build_antibody_table(data: Path, genes: pd.DataFrame, aliases: pd.DataFrame) -> dict[str, str]:
    """Map the lookup spelling of antibody names to approved symbols, joined by '|'."""
    approved = set(genes.symbol)
    current = dict(zip(aliases.alias, aliases.symbols, strict=True))
    # every CD number that is, or once was, one gene's official name or alias
    table = {name_key(name): name for name in sorted(approved) if CD_NUMBER.fullmatch(name)}
    for alias, symbols in sorted(current.items()):
        if CD_NUMBER.fullmatch(alias) and "|" not in symbols:
            table.setdefault(name_key(alias), symbols)
    listed = pd.read_csv(data / "adt_reference" / "adt_name_to_gene.tsv", sep="\t", keep_default_na=False)
    for examples, symbol, everything in zip(
        listed.example_names, listed.hgnc_symbol, listed.all_symbols, strict=True
    ):
        symbols = everything.split(", ") if ";" not in everything else [symbol]
        now = [current.get(name, name) for name in symbols]
        if not all(name in approved for name in now):
            now = [current.get(symbol, symbol)]
        for name in examples.split(" | "):
            if (
                find_kind(name) is AntibodyKind.PROTEIN
                and now[0] in approved
                and not re.search(r"\.\d$", name)
            ):
                table[name_key(name)] = "|".join(now)
                table.setdefault(name_key(name.partition("(")[0]), "|".join(now))
    table.update({name_key(name): symbols for name, symbols in ANTIBODY_GENES.items()})
    table.update({name_key(name): "" for name in NOT_PROTEINS})
    unknown = {s for symbols in table.values() for s in symbols.split("|") if s} - approved
    if unknown:
        raise ValueError(f"not approved: {sorted(unknown)}")
    return table


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a small table, compressed as far as it goes."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(arrow, path, compression="zstd", compression_level=19, use_dictionary=False)


if __name__ == "__main__":
    main()
