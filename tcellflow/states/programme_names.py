"""The names by which people know the transcriptional programmes; tables keep their keys.

Invariant: every programme of the packaged table has a name of its own.
"""

from __future__ import annotations

from typing import Final

from tcellflow.vocabulary import Programme

_NAMES: Final[dict[str, str]] = {
    Programme.NAIVE_STEMNESS: "naive stemness",
    Programme.MEMORY_RESTING: "resting memory",
    Programme.GZMK_EFFECTOR_MEMORY: "GZMK+ effector memory",
    Programme.RESIDENT_MEMORY: "resident memory",
    Programme.CYTOTOXIC: "cytotoxic",
    Programme.TERMINAL_EFFECTOR: "terminal effector",
    Programme.CD4_CTL: "CD4 CTL",
    Programme.KIR_NK_LIKE: "KIR+ NK-like",
    Programme.EXHAUSTION_CORE: "core exhaustion",
    Programme.EXHAUSTION_PROGENITOR: "progenitor exhaustion",
    Programme.EXHAUSTION_TERMINAL: "terminal exhaustion",
    Programme.ACTIVATION: "activation",
    Programme.TH1: "Th1",
    Programme.TH2: "Th2",
    Programme.TH17: "Th17",
    Programme.TFH: "Tfh",
    Programme.TREG_CORE: "Treg core",
    Programme.TREG_EFFECTOR: "Treg effector",
    Programme.MAIT: "MAIT",
    Programme.GAMMA_DELTA: "gamma-delta",
    Programme.IFN_RESPONSE: "interferon response",
    Programme.STRESS_HEAT_SHOCK: "stress (heat shock)",
    Programme.DISSOCIATION_IEG: "dissociation (IEG)",
    Programme.CYCLING: "cycling",
    Programme.CYCLING_S: "cycling (S phase)",
    Programme.CYCLING_G2M: "cycling (G2/M phase)",
}


def name_programme(key: str) -> str:
    """Name a programme, or a kind of T cell, as immunologists do; an unknown key in plain words."""
    return _NAMES.get(key) or key.replace("_", " ").strip()
