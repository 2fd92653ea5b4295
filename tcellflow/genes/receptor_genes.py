"""Genes of receptor segments and immunoglobulins: they mark clones and donors, not kinds of cells."""

from __future__ import annotations

import re
from typing import Final

# Segments of T-cell receptors mark clones and donors, immunoglobulins ambient RNA of B cells. TRAC, TRBC,
# TRDC and TRGC tell lineages and not clones, so they may stay; TRA has no D segments (TRADD is another gene).
CLONE_GENE: Final = re.compile(r"TR(A[VJ]|B[VDJ]|G[VJ]|D[VDJ]).*|IG[HKL].*")
