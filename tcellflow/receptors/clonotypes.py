"""Clones: cells of one donor that carry the same receptor.

Invariant: a clone id is a hash of donor and receptor alone (of united receptors the commonest), so it is the
same in every sample of the donor; cells of different donors never share a clone, however equal they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from tcellflow.receptors.contigs import as_texts
from tcellflow.receptors.encoding.keys import content_hash
from tcellflow.vocabulary import Arm

if TYPE_CHECKING:
    import numpy.typing as npt

Orphans = Literal["strict", "rescue"]
DualChains = Literal["primary", "any"]
_PREFIX: Final = "c"  # keeps spreadsheets from reading an id of digits and one "e" as a number
Chain = tuple[str, str, str, str | None, str | None]  # level, locus, sequence, V, J
_Pair = tuple[str, Chain, Chain]  # donor, VJ, VDJ
_CHAINS_PER_ARM: Final = 2


class CloneLevel(StrEnum):
    """What the chains of a clone were compared by."""

    NUCLEOTIDES = "nucleotides"
    AMINO_ACIDS = "amino_acids"
    MIXED = "mixed"


def assign_clones(
    chains: pd.DataFrame, *, orphans: Orphans = "strict", dual_chains: DualChains = "primary"
) -> pd.DataFrame:
    """Give every cell with a usable chain its clone (clonotype).

    Parameters
    ----------
    chains
        Ranked chains of one sample, e.g. the chains table: ``cell_id``, ``donor``, ``arm``, ``rank``,
        ``locus``, ``junction_aa``, ``junction``, ``v_call`` and ``j_call``.
    orphans
        "strict": a cell with one chain is of the clone of that chain alone. "rescue": it joins the
        only paired clone of its donor that shares the chain, if there is exactly one.
    dual_chains
        "primary": the first chain of each arm counts. "any": cells of a donor with any pair of chains in
        common are of one clone, directly or through others (scirpy's ``dual_ir``); an arm may have two.

    Returns
    -------
    pandas.DataFrame
        Indexed by cell in order of appearance: ``clone_id``, ``clone_size`` (cells, int32) and
        ``clone_level`` (`CloneLevel`).

    Notes
    -----
    By default a clone is told by the first-ranked chain of each arm: nucleotides of the junction (amino acids
    where they are missing) with V and J gene.
    """
    first = chains[chains["rank"] == 1]
    identities = dict(zip(first.index, _identities(first), strict=True))
    receptors: dict[str, dict[str, Chain]] = {}
    donors: dict[str, str] = {}
    for row, cell, donor, arm in zip(
        first.index, first["cell_id"], first["donor"], first["arm"], strict=True
    ):
        receptors.setdefault(cell, {})[arm] = identities[row]
        donors[cell] = donor
    if dual_chains == "any":
        _unite(receptors, donors, chains[chains["rank"] <= _CHAINS_PER_ARM])
    if orphans == "rescue":
        _rescue(receptors, donors)
    return _number(receptors, donors)


def _identities(first: pd.DataFrame) -> list[Chain]:
    names = ("junction", "junction_aa", "locus", "v_call", "j_call")
    fields = zip(*(as_texts(first[name]) for name in names), strict=True)
    return [
        (CloneLevel.NUCLEOTIDES, locus, dna, v_call, j_call)
        if dna
        else (CloneLevel.AMINO_ACIDS, locus, residues, v_call, j_call)
        for dna, residues, locus, v_call, j_call in fields
    ]


def _unite(receptors: dict[str, dict[str, Chain]], donors: dict[str, str], chains: pd.DataFrame) -> None:
    """Give cells that share any pair of chains the commonest first pair among them (ties: in order)."""
    per_cell: dict[str, dict[str, list[Chain]]] = defaultdict(lambda: defaultdict(list))
    for cell, arm, chain in zip(chains["cell_id"], chains["arm"], _identities(chains), strict=True):
        per_cell[cell][arm].append(chain)
    parent: dict[_Pair, _Pair] = {}

    def root(pair: _Pair) -> _Pair:
        while parent.setdefault(pair, pair) != pair:
            parent[pair] = pair = parent[parent[pair]]
        return pair

    paired = {cell: found for cell, found in receptors.items() if len(found) == len(Arm)}
    for cell in paired:
        donor, arms = donors[cell], per_cell[cell]
        pairs = [(donor, vj, vdj) for vj in arms[Arm.VJ] for vdj in arms[Arm.VDJ]]
        for pair in pairs[1:]:
            parent[root(pair)] = root(pairs[0])
    first = {cell: (donors[cell], found[Arm.VJ], found[Arm.VDJ]) for cell, found in paired.items()}
    sizes: dict[_Pair, Counter[_Pair]] = defaultdict(Counter)
    for pair in first.values():
        sizes[root(pair)][pair] += 1
    for cell, pair in first.items():
        counts = sizes[root(pair)]
        _, vj, vdj = min(counts, key=lambda known: (-counts[known], str(known)))
        receptors[cell] = {Arm.VJ: vj, Arm.VDJ: vdj}


def _rescue(receptors: dict[str, dict[str, Chain]], donors: dict[str, str]) -> None:
    """Complete cells with one chain by the only pair of their donor that has this chain."""
    partners: dict[tuple[str, Chain], set[Chain]] = defaultdict(set)
    for cell, chains in receptors.items():
        if len(chains) == len(Arm):
            vj, vdj = chains[Arm.VJ], chains[Arm.VDJ]
            partners[donors[cell], vj].add(vdj)
            partners[donors[cell], vdj].add(vj)
    for cell, chains in receptors.items():
        if len(chains) == 1:
            ((arm, chain),) = chains.items()
            found = partners.get((donors[cell], chain), set())
            if len(found) == 1:
                chains[Arm.VDJ if arm == Arm.VJ else Arm.VJ] = next(iter(found))


def _number(receptors: dict[str, dict[str, Chain]], donors: dict[str, str]) -> pd.DataFrame:
    ids: dict[tuple[str, tuple[Chain, ...]], str] = {}
    clone_ids: npt.NDArray[np.object_] = np.empty(len(receptors), dtype=object)
    levels = np.empty(len(receptors), dtype=object)
    for row, (cell, chains) in enumerate(receptors.items()):
        receptor = tuple(chains[arm] for arm in Arm if arm in chains)
        key = (donors[cell], receptor)
        if key not in ids:
            ids[key] = _PREFIX + content_hash(donors[cell], *(field for chain in receptor for field in chain))
        clone_ids[row] = ids[key]
        used = {chain[0] for chain in receptor}
        levels[row] = str(used.pop() if len(used) == 1 else CloneLevel.MIXED)
    clones = pd.DataFrame(
        {"clone_id": clone_ids, "clone_level": levels},
        index=pd.Index(np.array(list(receptors), dtype=object), name="cell_id"),
    )
    sizes = clones.groupby("clone_id", sort=False)["clone_id"].transform("size")
    clones["clone_size"] = sizes.astype(np.int32) if len(clones) else np.empty(0, np.int32)
    return clones[["clone_id", "clone_size", "clone_level"]]
