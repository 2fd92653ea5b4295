"""Cells and claims to a memory that a text decoder reads: cell encoder, queries, rows of a plan.

Invariant: what was not measured is a mask; the value beside it changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from tcellflow.models.blocks import Attention, FeedForward

if TYPE_CHECKING:
    from torch import Tensor

    from tcellflow.models.configurations import LanguageConfig

_SUMMARIES: Final = 4  # vectors that tell the whole of a group's expression
ABSENT: Final = -1e4  # added to the attention logits of what is not there


class CellEncoder(nn.Module):
    """Expression of a group of cells to a few vectors.

    Dense layers over all measured genes give the first, the genes that deviate most from what is usual give
    the rest: each by its own embedding and its deviation.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.deviating = min(config.deviating, config.genes)
        width = config.width
        self.whole = nn.Sequential(
            nn.Linear(config.genes, width), nn.GELU(), nn.Linear(width, _SUMMARIES * width)
        )
        self.gene = nn.Embedding(config.genes, width)
        self.degree = nn.Linear(1, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, genes: Tensor, gene_mask: Tensor) -> Tensor:
        """Encode standardised expression (B, G), measured where the mask (B, G) is 1: (B, N, width)."""
        known = genes * gene_mask
        whole = self.whole(known).reshape(genes.shape[0], _SUMMARIES, -1)
        _, places = torch.topk(known.abs(), self.deviating, dim=1)
        degree = torch.gather(known, 1, places)[..., None]
        single = self.gene(places) * torch.tanh(degree) + self.degree(degree)
        vectors: Tensor = self.norm(torch.cat([whole, single], dim=1))
        return vectors


class Projector(nn.Module):
    """Learned queries that read a group's vectors by cross-attention, as in BLIP-2 (arXiv 2301.12597).

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.queries = nn.Parameter(torch.randn(config.queries, width) * 0.5)
        n = config.projector_layers
        self.own = nn.ModuleList(Attention(width, heads) for _ in range(n))
        self.across = nn.ModuleList(Attention(width, heads) for _ in range(n))
        self.feed = nn.ModuleList(FeedForward(width, config.dropout) for _ in range(n))

    def forward(self, vectors: Tensor) -> Tensor:
        """Read vectors (B, N, width): (B, queries, width)."""
        found = self.queries[None] + torch.zeros_like(vectors[:, :1])
        nothing = torch.zeros(1, device=vectors.device)
        for own, across, feed in zip(self.own, self.across, self.feed, strict=True):
            found = feed(across(own(found, found, nothing), vectors, nothing))
        return found


class PlanEncoder(nn.Module):
    """The rows of a plan, each a claim with its kind, gene and numbers, read together with the queries.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width = config.width
        self.kind = nn.Embedding(config.kinds + 1, width)  # 0: no row
        self.gene = nn.Embedding(config.genes + 1, width)  # 0: no gene of the panel
        self.place = nn.Embedding(config.most_rows, width)
        self.numbers = nn.Sequential(nn.Linear(config.numbers, width), nn.GELU(), nn.Linear(width, width))
        self.own = nn.ModuleList(Attention(width, config.heads) for _ in range(config.plan_layers))
        self.feed = nn.ModuleList(FeedForward(width, config.dropout) for _ in range(config.plan_layers))

    def forward(self, rows: tuple[Tensor, Tensor, Tensor], queries: Tensor, bias: Tensor) -> Tensor:
        """Encode rows beside queries: the memory (B, queries + R, width).

        Parameters
        ----------
        rows
            Kind of each row + 1 or 0, and its gene + 1 or 0, (B, R) int64; its numbers (B, R, N).
        queries
            From the projector, (B, queries, width).
        bias
            What of the memory is there, (B, 1, 1, queries + R).
        """
        kinds, genes, numbers = rows
        places = torch.arange(kinds.shape[1], device=kinds.device)
        read = self.kind(kinds) + self.gene(genes) + self.place(places)[None] + self.numbers(numbers)
        memory = torch.cat([queries, read], dim=1)
        for own, feed in zip(self.own, self.feed, strict=True):
            memory = feed(own(memory, memory, bias))
        return memory


class MemoryEncoder(nn.Module):
    """A group's expression and plan to what the decoder keeps of them.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.queries = config.queries
        self.cells = CellEncoder(config)
        self.projector = Projector(config)
        self.plan = PlanEncoder(config)

    def forward(
        self, genes: Tensor, gene_mask: Tensor, kinds: Tensor, row_genes: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode groups.

        Parameters
        ----------
        genes, gene_mask
            As of `CellEncoder`.
        kinds, row_genes, numbers
            The rows, as of `PlanEncoder`.

        Returns
        -------
        tuple of torch.Tensor
            Queries (B, Q, width), memory (B, Q + R, width), and its bias (B, 1, 1, Q + R).
        """
        queries = self.projector(self.cells(genes, gene_mask))
        is_there = torch.cat([torch.ones_like(queries[:, :, 0]), (kinds > 0).to(queries.dtype)], dim=1)
        bias = (1 - is_there[:, None, None, :]) * ABSENT
        return queries, self.plan((kinds, row_genes, numbers), queries, bias), bias
