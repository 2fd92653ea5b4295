"""A causal decoder over words and slots, with a pointer to the row of the plan that fills a slot.

Invariant: a token's numbers depend on those before it alone, whether they were given together or one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from tcellflow.models.blocks import Attention, FeedForward
from tcellflow.models.cell_text import ABSENT, MemoryEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from tcellflow.models.configurations import LanguageConfig


class TextDecoder(nn.Module):
    """Words and slots, one after the other.

    A token is its own embedding and, for a slot, that of the row that filled it. Embeddings and output layer
    share their weights.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width, n = config.width, config.decoder_layers
        self.heads = config.heads
        self.queries = config.queries
        self.token = nn.Embedding(config.tokens, width)
        self.place = nn.Embedding(config.longest, width)
        self.own = nn.ModuleList(Attention(width, config.heads) for _ in range(n))
        self.across = nn.ModuleList(Attention(width, config.heads) for _ in range(n))
        self.feed = nn.ModuleList(FeedForward(width, config.dropout) for _ in range(n))
        self.norm = nn.LayerNorm(width)
        self.pointer = nn.Linear(width, width)
        nn.init.normal_(self.token.weight, std=width**-0.5)

    def keep(self, memory: Tensor) -> Tensor:
        """Give what the layers keep of a memory (B, M, W): (layers, 2, B, H, M, W/H)."""
        return torch.stack([layer.keep(memory) for layer in self.across])  # type: ignore[operator]

    def forward(
        self,
        tokens: Tensor,
        rows: Tensor,
        past: Tensor,
        memory: Tensor,
        kept: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read tokens and tell what comes behind each.

        Parameters
        ----------
        tokens
            (B, T) int64.
        rows
            Row + 1 that filled each token, 0 for words, (B, T) int64.
        past
            Keys and values of earlier tokens, (layers, 2, B, H, P, W/H); P = 0 at the start.
        memory, bias
            From `MemoryEncoder`.
        kept
            From `keep`.

        Returns
        -------
        tuple of torch.Tensor
            Scores of tokens (B, T, V) and of rows (B, T, R), and the past with these tokens.
        """
        n_past, n_new = past.shape[4], tokens.shape[1]
        own_rows = memory[:, self.queries :]
        padded = torch.cat([torch.zeros_like(memory[:, :1]), own_rows], dim=1)
        filled = torch.gather(padded, 1, rows[..., None].expand(-1, -1, padded.shape[2]))
        places = n_past + torch.arange(n_new, device=tokens.device)
        x = self.token(tokens) + filled + self.place(places)[None]
        before = torch.arange(n_past + n_new, device=tokens.device)[None, :] <= places[:, None]
        causal = (1 - before.to(x.dtype))[None, None] * ABSENT
        grown = []
        for i, (own, across, feed) in enumerate(zip(self.own, self.across, self.feed, strict=True)):
            both = torch.cat([past[i], own.keep(x)], dim=3)  # type: ignore[operator]
            grown.append(both)
            x = own.read(x, both, causal)  # type: ignore[operator]
            x = feed(across.read(x, kept[i], bias))  # type: ignore[operator]
        x = self.norm(x)
        pointed = self.pointer(x) @ own_rows.transpose(1, 2) * own_rows.shape[2] ** -0.5
        return x @ self.token.weight.T, pointed, torch.stack(grown)


class LanguageNetwork(nn.Module):
    """Encoder, decoder, and what only training needs: both sides of the contrast between cells and text.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MemoryEncoder(config)
        self.decoder = TextDecoder(config)
        self.cell_head = nn.Linear(config.width, config.contrast)
        self.words = nn.EmbeddingBag(config.buckets, config.width, mode="mean")
        self.text_head = nn.Sequential(
            nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, config.contrast)
        )
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def compare(self, queries: Tensor, words: Tensor, starts: Tensor) -> Tensor:
        """Compare groups with texts: the best query's cosine, scaled, (B, texts).

        Parameters
        ----------
        queries
            From the encoder, (B, Q, width).
        words
            Hashed words of all texts in a row, int64.
        starts
            Where each text starts among them, int64.
        """
        cells = nn.functional.normalize(self.cell_head(queries), dim=-1)
        texts = nn.functional.normalize(self.text_head(self.words(words, starts)), dim=-1)
        best: Tensor = (cells @ texts.T).amax(dim=1) * self.log_scale.clamp(max=4.0).exp()
        return best

    def start(self, rows: int) -> Tensor:
        """Give the past of texts that have not begun."""
        config = self.config
        shape = (config.decoder_layers, 2, rows, config.heads, 0, config.width // config.heads)
        return torch.zeros(shape, device=self.log_scale.device)


class MemoryGraph(nn.Module):
    """The encoder as it is exported: all that the decoder keeps.

    Parameters
    ----------
    network
        Trained.
    """

    def __init__(self, network: LanguageNetwork) -> None:
        super().__init__()
        self.encoder, self.decoder = network.encoder, network.decoder

    def forward(
        self, genes: Tensor, gene_mask: Tensor, kinds: Tensor, row_genes: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode groups, inputs as of `MemoryEncoder`: memory, what is kept of it, and its bias."""
        _, memory, bias = self.encoder(genes, gene_mask, kinds, row_genes, numbers)
        return memory, self.decoder.keep(memory), bias
