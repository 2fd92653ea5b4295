"""What words say about cells: which types of the panel they mean, and what in a text was not understood.

Invariant: every word of a text is either used, a word without content, or listed as not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.language.ontology import read_ontology, spell
from tcellflow.language.panel import read_panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcellflow.language.panel import CellType

_T, _B, _NK, _MYELOID = "CL:0000084", "CL:0000945", "CL:0001065", "CL:0000576"
_CD4, _CD8 = "CL:0000624", "CL:0000625"


def _under(*roots: str) -> Callable[[CellType], bool]:
    def is_under(kind: CellType) -> bool:
        return any(root in read_ontology().above(kind.cl_id) for root in roots)

    return is_under


def _called(pattern: str) -> Callable[[CellType], bool]:
    return lambda kind: re.search(pattern, kind.label) is not None


def _is_cd4(kind: CellType) -> bool:
    return "CD4" in kind.label or kind.label.startswith(("T helper", "T follicular", "regulatory"))


def _is_progenitor(kind: CellType) -> bool:
    return "stem" in kind.label or "progenitor" in kind.label


def _is_nk(kind: CellType) -> bool:
    return "NK cell" in kind.label


# Patterns are tried in this order on what the earlier ones left, in lower case.
WORDS: Final[tuple[tuple[str, Callable[[CellType], bool]], ...]] = (
    (r"\b(mait|mucosal[- ]associated invariant)\b", _called("mucosal")),
    (r"\b(inkt|nkt|natural killer t|invariant natural killer)\b", _called("invariant natural")),
    (r"\b(gamma[- ]?delta|gd ?t|γδ|gdt|tcrgd)\b", _called("gamma-delta")),
    (r"\b(t-?regs?|regulatory|cd25\+?|foxp3)\b", _called("^regulatory")),
    (r"\b(th1|t?-?helper 1)\b", _called("helper 1 ")),
    (r"\b(th2|t?-?helper 2)\b", _called("helper 2 ")),
    (r"\b(th17|t?-?helper 17)\b", _called("helper 17 ")),
    (r"\b(tfh|follicular helper)\b", _called("follicular")),
    (r"\b(temra|cd8\+? ctl)\b", _called("^cytotoxic CD8")),
    (r"\b(cd56[ -]?bright|cd56-bright|nk[ -]?bright)\b", _called("CD56-bright")),
    (r"\b(cd56[ -]?dim)\b", _called("CD56-dim")),
    (r"\b(ilc2|group 2)\b", _called("group 2")),
    (r"\b(ilc3|group 3)\b", _called("group 3")),
    (r"\b(ilcs?|innate lymphoid)\b", _called("innate lymphoid|NK cell")),
    (r"\b(nks?|natural killer|cd56\+?|ncam1)\b", _is_nk),
    (r"\b(pdcs?|plasmacytoid)\b", _called("plasmacytoid")),
    (r"\b(cdc1|cd141\+?|clec9a)\b", _called("CD141")),
    (r"\b(cdc2|cd1c\+?|mdcs?|myeloid dendritic|conventional dendritic)\b", _called("CD1c|CD141")),
    (r"\b(asdc|axl\+?)\b", _called("AXL")),
    (r"\b(migratory|lamp3)\b", _called("migratory")),
    (r"\b(dendritic|dcs?)\b", _called("dendritic")),
    (r"\b(non[- ]?classical|cd16\+?|fcgr3a\+?)\b", _called("non-classical|CD16-positive NK")),
    (r"\bintermediate\b", _called("intermediate")),
    (r"\b(classical)\b", _called("^classical")),
    (r"\b(cd14\+?)\b", _called("^classical|intermediate")),
    (r"\b(monos?|monocytes?|monocytic)\b", _under(_MYELOID)),
    (r"\b(alveolar)\b", _called("alveolar")),
    (r"\b(kupffer)\b", _called("Kupffer")),
    (r"\b(macrophages?)\b", _called("macrophage|Kupffer")),
    (r"\b(plasmablasts?)\b", _called("plasmablast")),
    (r"\b(plasma|antibody[- ]secreting)\b", _called("plasma cell|plasmablast")),
    (r"\b(germinal (cent(er|re)))\b", _called("germinal")),
    (r"\b(age[- ]associated|atypical)\b", _called("age-associated")),
    (r"\b(transitional)\b", _called("transitional")),
    (r"\b(pro-?b)\b", _called("pro-B")),
    (r"\b(pre-?b|precursor b)\b", _called("precursor B")),
    (r"\b(b(?=[\s-]|$)|bcells?|cd19\+?|cd20\+?)\b", _under(_B)),
    (r"\b(neutrophils?)\b", _called("neutrophil")),
    (r"\b(basophils?)\b", _called("basophil")),
    (r"\b(eosinophils?)\b", _called("eosinophil")),
    (r"\b(mast)\b", _called("^mast")),
    (r"\b(granulocytes?)\b", _called("phil$|mast|myelocyte")),
    (r"\b(platelets?|thrombocytes?)\b", _called("platelet")),
    (r"\b(megakaryocytes?|mks?)\b", _called("^megakaryocyte$|platelet")),
    (r"\b(erythrocytes?|red blood|rbcs?|erythroid|erythroblasts?)\b", _called("^erythro")),
    (r"\b(thymocytes?|double[- ]positive)\b", _called("thymocyte")),
    (r"\b(stem|hspcs?|hscs?|progenitors?|cd34\+?|cd34-positive)\b", _is_progenitor),
    (r"\b(fibroblasts?)\b", _called("fibroblast")),
    (r"\b(endothelial)\b", _called("endothelial")),
    (r"\b(epithelial)\b", _called("epithelial")),
    (r"\b(cd4\+? and cd8\+?|cd8\+? and cd4\+?)\b", lambda kind: _is_cd4(kind) or "CD8" in kind.label),
    (r"\b(cytotoxic cd4\+?|cd4\+? (ctl|cytotoxic))\b", _called("^cytotoxic CD4")),
    (r"\b(cd4\+?|cd4-positive)\b", _is_cd4),
    (r"\b(cd8\+?|cd8[ab]\+?|cd8-positive)\b", _called("CD8")),
    (r"\b(helper)\b", lambda kind: _is_cd4(kind) and not kind.label.startswith("regulatory")),
    (r"\b(naive|naïve|cd45ra\+?)\b", _called("naive|^hema")),
    (r"\b(central[- ]memory|tcm)\b", _called("central memory")),
    (r"\b(effector[- ]memory|tem)\b", _called("effector memory")),
    (r"\b(resident[- ]memory|tissue[- ]resident|trm)\b", _called("resident")),
    (r"\b(memory|cd45ro\+?)\b", _called("memory|exhausted|helper|^cytotoxic")),
    (r"\b(exhausted|exhaustion|dysfunctional)\b", _called("exhausted")),
    (r"\b(effector)\b", _called("effector|^cytotoxic|helper [12]")),
    (r"\b(cytotoxic|killer)\b", lambda kind: "CD8" in kind.label or kind.label.startswith("cytotoxic")),
    (r"\b(t(?=[\s-]|$)|tcells?|cd3\+?)\b", _under(_T)),
    (r"\b(lymphocytes?|lymphoid)\b", _under(_T, _B, _NK)),
    (r"\b(myeloid)\b", _under(_MYELOID, "CL:0000451", "CL:0000235", "CL:0000094")),
)
_EMPTY: Final = frozenset(
    [
        "cell",
        "cells",
        "a",
        "an",
        "the",
        "of",
        "and",
        "or",
        "in",
        "with",
        "from",
        "that",
        "which",
        "is",
        "are",
        "to",
        "for",
        "human",
        "blood",
        "peripheral",
        "positive",
        "type",
        "like",
        "subset",
        "population",
        "alpha",
        "beta",
        "αβ",
        "cd45",
        "all",
        "most",
        "mostly",
        "show",
        "me",
        "find",
        "sorted",
        "derived",
        "lymphocyte",
        "sample",
        "these",
        "those",
        "have",
        "has",
        "this",
        "by",
        "on",
        "as",
        "express",
        "expressing",
        "expression",
        "mononuclear",
    ]
)


@dataclass(frozen=True)
class Understood:
    """What a text says about the type of cells.

    Parameters
    ----------
    types
        Ids of the panel's types that fit all words understood; None where no word speaks of a type.
    used
        The words understood.
    rest
        The words that are neither understood nor empty.
    """

    types: frozenset[str] | None
    used: tuple[str, ...]
    rest: tuple[str, ...]


def understand_types(text: str) -> Understood:
    """Find which types of the panel a text means."""
    remaining = re.sub(r"\b(cd\w+|[a-z0-9]+)[- ](negative)\b|\b(cd\w+)-(?=\W|$)", " ", text.lower())
    found: list[frozenset[str]] = []
    used: list[str] = []
    panel = read_panel()
    for pattern, fits in WORDS:
        hit = re.search(pattern + r"\+?", remaining)
        if hit is None:
            continue
        types = frozenset(kind.cl_id for kind in panel if fits(kind))
        narrowed = frozenset.intersection(*found, types) if found else types
        used.append(hit.group(0))
        remaining = re.sub(pattern + r"\+?", " ", remaining)
        if narrowed:
            found.append(types)
        elif re.match(r"cd|fcgr", hit.group(0)) is None:
            found.append(types)  # a contradiction; that a protein is not the type's own marker is none
    kept = frozenset.intersection(*found) if found else None
    words = tuple(w for w in re.findall(r"[\w+./-]+", remaining) if w.strip("+./-") and w not in _EMPTY)
    return Understood(kept, tuple(used), words)


def name_types(name: str, cl_id: str | None = None) -> frozenset[str]:
    """Give the types of the panel that a name or id stands for: at or below its term, or by its words."""
    ontology = read_ontology()
    term = cl_id or ontology.find(name)
    if term is not None and term in ontology.terms:
        below = frozenset(kind.cl_id for kind in read_panel() if term in ontology.above(kind.cl_id))
        if below:
            return below
    exact = frozenset(kind.cl_id for kind in read_panel() if spell(kind.label) == spell(name))
    return exact or understand_types(name).types or frozenset()
