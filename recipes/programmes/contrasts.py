"""Labelled cells that show a programme, and beside them cells of the same set that do not.

Only comparisons inside one set count: so neither chemistry nor depth passes for biology.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recipes.datasets.cells import LabelledSet, read_all
from recipes.datasets.description import Foreign
from recipes.datasets.effector_blood import ECCITE
from recipes.datasets.labels import MORE_LABELLED, SETS, UNLABELLED
from recipes.datasets.melanoma import NAME as MELANOMA
from recipes.datasets.melanoma import read_melanoma
from recipes.states.pseudo_labels import find_cycling
from tcellflow.vocabulary import Cycle, Function, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Cells = NDArray[np.bool_]

STIMULATED = "kang2018_ifnb_2k"  # with interferon beta, or without
LEAST_RUNNING, LEAST_CELLS = 8, 15
# Effector cells of healthy blood show checkpoint genes: what exhaustion rests at is their level.
LEVELS = ("exhaustion_core", "exhaustion_terminal")
MAIT_J = ("TRAJ33", "TRAJ20", "TRAJ12")
# too few genes, another species of counts, or clones of one tumour
WITHOUT = ("bd_rhapsody_pbmc_targeted", "abseq_bm_250", "chung2017_breast")


@dataclass(frozen=True)
class Contrast:
    """Cells with a programme (`running`) and without (`resting`), both shape (cells,)."""

    cells: LabelledSet
    running: Cells
    resting: Cells


def read_sources(data: Path) -> dict[str, LabelledSet]:
    """Read every set that may teach; the melanoma cells by patient, of 3,523 and of 1,000 genes."""
    described = [s for s in (*SETS, *MORE_LABELLED, *UNLABELLED, ECCITE) if s.name not in WITHOUT]
    described = [replace(s, label_column="stim") if s.name == STIMULATED else s for s in described]
    sets = {s.name: read_all(data, s) for s in described}
    sets = {name: cells.rows(~np.isnan(cells.library)) for name, cells in sets.items()}
    for cells in read_melanoma(data):
        for donor in np.unique(cells.donors):
            sets[f"{donor}:{cells.symbols.size}"] = cells.rows(cells.donors == donor)
    return sets


def is_melanoma(name: str) -> bool:
    """Whether a source is a melanoma patient."""
    return name.startswith(MELANOMA)


def find_contrasts(
    sets: Mapping[str, LabelledSet], receptors: Mapping[str, Receptors]
) -> dict[str, list[Contrast]]:
    """Find the contrasts of each programme that has labelled cells."""
    found: dict[str, list[Contrast]] = {}
    merged = dict(merge_patients(sets))
    for name, cells in merged.items():
        for programme, (running, resting) in _contrast_set(name, cells, receptors).items():
            is_level = programme in LEVELS and not running.any()
            if (is_level or running.sum() >= LEAST_RUNNING) and resting.sum() >= LEAST_CELLS:
                found.setdefault(programme, []).append(Contrast(cells, running, resting))
    return found


def merge_patients(sets: Mapping[str, LabelledSet]) -> Iterator[tuple[str, LabelledSet]]:
    """Give the sets, patients of the same genes as one."""
    by_genes: dict[int, list[LabelledSet]] = {}
    for name, cells in sets.items():
        if is_melanoma(name):
            by_genes.setdefault(cells.symbols.size, []).append(cells)
        else:
            yield name, cells
    for size, patients in by_genes.items():
        yield f"{MELANOMA}:{size}", join_rows(patients)


def join_rows(sets: Sequence[LabelledSet]) -> LabelledSet:
    """Join the cells of sets of the same genes."""
    cut = ("library", "names", "labels", "axes", "foreign", "is_t", "donors", "clones")
    return replace(
        sets[0],
        counts=sparse.csr_array(sparse.vstack([s.counts for s in sets])),
        **{name: np.concatenate([getattr(s, name) for s in sets]) for name in cut},
    )


@dataclass(frozen=True)
class Receptors:
    """What chains tell of the cells of a set: shape (cells,) each, bool."""

    is_mait: Cells
    is_gamma_delta: Cells
    has_pair: Cells


def _contrast_set(
    name: str, cells: LabelledSet, receptors: Mapping[str, Receptors]
) -> dict[str, tuple[Cells, Cells]]:
    state = cells.state
    is_t = cells.is_t & (cells.foreign == "")
    naive, memory, treg = (state == s for s in (State.NAIVE, State.MEMORY, State.TREG))
    nk = cells.foreign == Foreign.NK
    functions = np.array([a.functions[0] if len(a.functions) == 1 else "" for a in cells.axes], dtype=object)
    effector = (functions == Function.EFFECTOR) | (state == State.EFFECTOR)
    cd4 = np.array([a.lineages[:1] == (Lineage.CD4,) for a in cells.axes])
    found: dict[str, tuple[Cells, Cells]] = {}
    if is_melanoma(name):
        exhausted, heat = state == State.EXHAUSTED, cells.labels == "Exhausted/HS Cd8+ cells"
        for programme in ("exhaustion_core", "exhaustion_terminal"):
            found[programme] = (exhausted, memory | effector)
        found |= {
            "stress_heat_shock": (heat, exhausted & ~heat),
            "cytotoxic": (effector, memory),
            "memory_resting": (memory, exhausted | effector),
            "treg_core": (treg, memory),
            "treg_effector": (treg, memory),
        }
        for programme in ("cycling", "cycling_s", "cycling_g2m"):
            found[programme] = (state == State.PROLIFERATING, memory | effector)
        return found
    if name == STIMULATED:
        stimulated = np.char.startswith(cells.labels.astype(str), "stim")
        return {"ifn_response": (is_t & stimulated, is_t & ~stimulated)}
    found["naive_stemness"] = (naive, memory | treg | effector)
    found["memory_resting"] = (memory & (cd4 | ~effector), naive)
    found["cytotoxic"] = (nk | effector, naive | (memory & cd4))
    found["terminal_effector"] = (nk | effector, naive | memory)
    found["cd4_ctl"] = (nk | effector, naive | (memory & cd4))
    found["kir_nk_like"] = (nk, naive | memory)
    for programme in LEVELS:
        found[programme] = (np.zeros(len(cells), dtype=bool), effector)
    found["treg_core"] = (treg, memory & cd4 | naive & cd4)
    found["treg_effector"] = (treg, memory & cd4 | naive & cd4)
    cycle = find_cycling(cells)
    for programme in ("cycling", "cycling_s", "cycling_g2m"):
        found[programme] = (is_t & (cycle == Cycle.CYCLING), is_t & (cycle == Cycle.RESTING))
    if name in receptors:
        known = receptors[name]
        found["mait"] = (known.is_mait, known.has_pair & ~known.is_mait & is_t)
        found["gamma_delta"] = (known.is_gamma_delta, known.has_pair & is_t)
    return found
