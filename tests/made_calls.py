"""Calls made up for tests: any probabilities, without a model."""

from __future__ import annotations

import numpy as np

from tcellflow.inference.states.calls import StateCalls, entropy_of
from tcellflow.inference.states.sources import CellFacts
from tcellflow.vocabulary import Lineage, State

STATES, LINEAGES = [str(s) for s in State], [str(x) for x in Lineage]


def make_calls(probabilities, lineages=None, ood=None):
    """Give calls with these state probabilities, shape (B, 7); all CD4, naive and resting by default."""
    p = np.asarray(probabilities, dtype=np.float32).reshape(-1, 7)
    n = len(p)
    lineage = np.zeros((n, 6), np.float32)
    lineage[np.arange(n), [LINEAGES.index(x) for x in lineages or ["CD4"] * n]] = 1
    names = np.array(STATES, dtype=object)[p.argmax(axis=1)] if n else np.array([], dtype=object)
    return StateCalls(
        predicted_state=names,
        lineage=np.array(lineages or ["CD4"] * n, dtype=object),
        function=np.array(["naive"] * n, dtype=object),
        cycle=np.array(["resting"] * n, dtype=object),
        confidence=p.max(axis=1, initial=0.0),
        state_probabilities=p,
        p_lineage=lineage,
        p_function=np.full((n, 9), 1 / 9, np.float32),
        p_cycling=np.zeros(n, np.float32),
        entropy=entropy_of(p),
        latent=np.zeros((n, 2), np.float32),
        agreement=np.full(n, np.nan, np.float32),
        epistemic=np.full(n, np.nan, np.float32),
        ood_score=np.full(n, np.nan, np.float32) if ood is None else np.asarray(ood, np.float32),
        helper=np.full(n, None, dtype=object),
        unconventional=np.full(n, None, dtype=object),
        support=np.repeat(p.max(axis=1, initial=0.0)[:, None], 2, axis=1),
        agrees=np.ones(n, dtype=bool),
    )


def sure(state, confidence=0.94):
    """Give seven probabilities, of which one state has nearly all."""
    row = np.full(7, (1 - confidence) / 6)
    row[STATES.index(state)] = confidence
    return row


def facts_of(n, *, not_t=(), doublets=()):
    """Give what decides about n T cells beside their calls: facts, and 100 genes of the panel each."""
    is_t, is_doublet = np.ones(n, bool), np.zeros(n, bool)
    is_t[list(not_t)] = False
    is_doublet[list(doublets)] = True
    names = np.array([f"c{i}" for i in range(n)], dtype=object)
    facts = CellFacts(names, np.full(n, "d", object), np.full(n, None, object), is_t, is_doublet)
    return facts, np.full(n, 100, dtype=np.int64)
