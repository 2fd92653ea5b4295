"""Receptors with a known epitope, receptors without one, and how epitopes are divided.

Run ``python -m recipes.datasets.receptors FOLDER`` to write ``development_epitopes.txt`` again:
whatever was chosen while the encoder was made was chosen on these epitopes, results are told of the
others. FOLDER holds ``tcr_corpus``.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recipes.datasets.receptor_groups import group_receptors
from recipes.receptors.build import KEPT_FOR_EVALUATION, WITHOUT_LICENCE
from tcellflow.receptors.encoding.sequences import ChainSequences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SEED = 20_250_101
KINDS = {"pairs": ("tra", "trb"), "TRB": ("trb",), "TRA": ("tra",)}
DEVELOPMENT = Path(__file__).with_name("development_epitopes.txt")
LEAST_RECEPTORS = 100
FIELDS = ("junction_aa", "v_call", "j_call")
UNLABELLED_SOURCES = ("CD39_HGSC_10x", "UniTCR_GSE_pembro_10x")  # never learnt from
PLAIN = "^[ACDEFGHIKLMNPQRSTVWY]{6,40}$"


@dataclass(frozen=True)
class Receptors:
    """N distinct receptors of one kind.

    Parameters
    ----------
    arms
        Their chains, by locus.
    epitope
        (N,) epitopes; empty = unlabelled.
    group
        (N,) numbers of their groups of near receptors.
    """

    arms: dict[str, ChainSequences]
    epitope: NDArray[np.object_]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.epitope)


def read_labelled(folder: Path, kind: str, *, unknown_genes: bool = False) -> pd.DataFrame:
    """Read the distinct receptors of a kind with their epitopes, without the noisy dextramer rows.

    Those that lack a V or J gene are left out unless asked for: genes are missing study by study, and
    studies look at few epitopes, so a missing gene gives the epitope away (of GLCTLVAML a third of the
    beta chains lack V, of unlabelled receptors none).
    """
    table = pd.read_parquet(folder / "tcr_corpus/epitope_human.parquet")
    table = table[~table["is_10x_dextramer_ref"]]
    columns = [f"{field}_{arm}" for arm in KINDS[kind] for field in FIELDS]
    for arm in KINDS[kind]:
        table = table[table[f"junction_aa_{arm}"].fillna("").str.fullmatch(PLAIN)]
    if not unknown_genes:
        table = table.dropna(subset=columns)
    return table[[*columns, "epitope"]].drop_duplicates().reset_index(drop=True)


def count_epitopes(table: pd.DataFrame) -> pd.Series[int]:
    """Count the receptors of the epitopes that have enough of them."""
    counts = table["epitope"].value_counts()
    return counts[counts >= LEAST_RECEPTORS]


def choose_epitopes(table: pd.DataFrame, part: str) -> list[str]:
    """Name the epitopes of a part (development, report or all) that have enough receptors in a table."""
    names = sorted(count_epitopes(table).index)
    development = set(DEVELOPMENT.read_text("utf-8").split())
    return [name for name in names if part == "all" or (name in development) == (part == "development")]


def draw_receptors(
    folder: Path, kind: str, table: pd.DataFrame, epitopes: Iterable[str], most: int, unlabelled: int
) -> Receptors:
    """Draw labelled receptors of a table, at most so many of an epitope, and unlabelled ones.

    A receptor that is known for several epitopes, whichever they are, is left out.
    """
    random = np.random.default_rng(SEED)
    key = [name for name in table.columns if name != "epitope"]
    table = table[~table.duplicated(key, keep=False)]
    parts = [
        rows.iloc[random.permutation(len(rows))[:most]]
        for rows in (table[table["epitope"] == epitope] for epitope in epitopes)
    ]
    others = read_unlabelled(folder, kind, UNLABELLED_SOURCES)
    others = others.iloc[random.permutation(len(others))[:unlabelled]]
    return join_receptors(pd.concat([*parts, others.assign(epitope="")], ignore_index=True), kind)


def read_unlabelled(folder: Path, kind: str, sources: Iterable[str]) -> pd.DataFrame:
    """Read the distinct unlabelled receptors of some sources."""
    table = read_corpus_rows(folder, "paired_human", sources, kind)
    labelled = pd.read_parquet(
        folder / "tcr_corpus/epitope_human.parquet", columns=["junction_aa_tra", "junction_aa_trb"]
    )
    for arm in KINDS[kind]:
        table = table[~table[f"junction_aa_{arm}"].isin(labelled[f"junction_aa_{arm}"].dropna())]
    return table.reset_index(drop=True)


def read_corpus_rows(folder: Path, name: str, sources: Iterable[str], kind: str) -> pd.DataFrame:
    """Read the receptors of a kind out of a table of pairs, without the flagged ones."""
    table = pd.read_parquet(
        folder / f"tcr_corpus/{name}.parquet", filters=[("source", "in", sorted(sources))]
    )
    columns = [f"{field}_{arm}" for arm in KINDS[kind] for field in FIELDS]
    table = table[~table["has_epitope_label"]][columns].astype(object).drop_duplicates()
    for arm in KINDS[kind]:
        table = table[table[f"junction_aa_{arm}"].fillna("").str.fullmatch(PLAIN)]
    return table


def read_background(folder: Path, locus: str, number: int) -> ChainSequences:
    """Draw so many chains of one locus from what the packaged encoder learnt from."""
    tables = {"TRB": ["trb_human"], "TRA": ["tra_olga_synthetic", "tra_human"]}[locus]
    left_out = [*KEPT_FOR_EVALUATION, *WITHOUT_LICENCE]
    parts = []
    for name in tables:
        path = folder / f"tcr_corpus/{name}.parquet"
        filters = (
            None if "olga" in name else [("has_epitope_label", "==", False), ("source", "not in", left_out)]
        )
        parts.append(pd.read_parquet(path, columns=list(FIELDS), filters=filters))
    rows = np.random.default_rng(SEED).integers(0, sum(map(len, parts)), 2 * number)
    table = pd.concat([part.astype(object) for part in _take(parts, np.sort(rows))])
    is_plain = table["junction_aa"].fillna("").str.fullmatch(PLAIN)
    table = table[is_plain].sample(number, random_state=SEED)
    return make_chains(table, locus, "")


def _take(parts: list[pd.DataFrame], rows: NDArray[np.int64]) -> list[pd.DataFrame]:
    taken, first = [], 0
    for part in parts:
        inside = rows[(rows >= first) & (rows < first + len(part))] - first
        taken.append(part.iloc[inside])
        first += len(part)
    return taken


def join_receptors(table: pd.DataFrame, kind: str) -> Receptors:
    """Put the rows of a table in the form that distances take."""
    arms = {
        f"TR{arm[-1].upper()}": make_chains(table, f"TR{arm[-1].upper()}", f"_{arm}") for arm in KINDS[kind]
    }
    groups = group_receptors([chains.junction_aa for chains in arms.values()])
    return Receptors(arms, table["epitope"].to_numpy(object), groups)


def make_chains(table: pd.DataFrame, locus: str, ending: str) -> ChainSequences:
    """Take the chains of one locus out of a table."""
    columns = table[[name + ending for name in FIELDS]].astype(object)
    columns = columns.where(columns.notna(), None)
    return ChainSequences(
        np.full(len(table), locus, object), *(columns[name].to_numpy(object) for name in columns)
    )


def divide_epitopes(folder: Path) -> list[str]:
    """Choose half of the epitopes for development, evenly among those with pairs, beta and alpha chains.

    The order is that of a digest of their letters, so it knows nothing of their receptors.
    """
    chosen: list[str] = []
    seen: set[str] = set()
    for kind in KINDS:
        names = [name for name in count_epitopes(read_labelled(folder, kind)).index if name not in seen]
        names.sort(key=lambda name: hashlib.sha256(f"{SEED} {name}".encode()).digest())
        chosen += names[1::2]
        seen.update(names)
    return sorted(chosen)


def main() -> None:
    """Write the development epitopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    DEVELOPMENT.write_text("\n".join(divide_epitopes(parser.parse_args().folder)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
