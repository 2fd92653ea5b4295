"""Parts that networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TransformerBlock(nn.Module):
    """One pre-norm transformer block: attention, then a feed-forward network.

    Attention is written out as matrix products: for the short sequences of receptors that is twice
    as fast on processors as torch's fused kernel under bfloat16, and it exports to plain operators.

    Parameters
    ----------
    width
        Width W of a token.
    heads
        Attention heads H; divides W.
    feed_forward
        Width of the hidden layer.
    """

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.expand = nn.Linear(width, feed_forward)
        self.contract = nn.Linear(feed_forward, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Mix tokens, then transform each.

        Parameters
        ----------
        x
            (B, T, W) tokens.
        bias
            (B, 1, 1, T) added to the attention logits: 0 for tokens that count, very negative for
            padding.

        Returns
        -------
        torch.Tensor
            (B, T, W) tokens.
        """
        batch, tokens, width = x.shape
        parts = self.query_key_value(self.norm_attention(x))  # (B, T, 3W)
        parts = parts.reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, H, T, W/H)
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias  # (B, H, T, T)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, tokens, width)  # (B, T, W)
        x = x + self.merge(mixed)
        hidden = torch.relu(self.expand(self.norm_feed_forward(x)))  # (B, T, F)
        transformed: Tensor = x + self.contract(hidden)
        return transformed


class Attention(nn.Module):
    """What tokens read from a memory, which may be the tokens themselves, added to them.

    Parameters
    ----------
    width
        Width W of a token.
    heads
        Attention heads H; divides W.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.norm_memory = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.merge = nn.Linear(width, width)

    def keep(self, memory: Tensor) -> Tensor:
        """Give keys and values of a memory (B, M, W): (2, B, H, M, W/H), which may be kept for later."""
        batch, length, width = memory.shape
        parts = self.key_value(self.norm_memory(memory))
        kept: Tensor = parts.reshape(batch, length, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return kept

    def read(self, x: Tensor, kept: Tensor, bias: Tensor) -> Tensor:
        """Read from kept keys and values.

        Parameters
        ----------
        x
            (B, T, W) tokens.
        kept
            From `keep`.
        bias
            Added to the attention logits, spread to (B, H, T, M): 0, or very negative for what is not there.
        """
        batch, tokens, width = x.shape
        size = width // self.heads
        query = self.query(self.norm(x)).reshape(batch, tokens, self.heads, size).transpose(1, 2)
        scores = query @ kept[0].transpose(-1, -2) * size**-0.5 + bias
        mixed = (scores.softmax(-1) @ kept[1]).transpose(1, 2).reshape(batch, tokens, width)
        read: Tensor = x + self.merge(mixed)
        return read

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        """Read from a memory (B, M, W), with a bias as of `read`."""
        return self.read(x, self.keep(memory), bias)


class FeedForward(nn.Module):
    """A pre-norm hidden layer of four times the width, added to the tokens.

    Parameters
    ----------
    width
        Width of a token.
    dropout
        Share of the result that is dropped while training.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Transform each token of (B, T, W)."""
        changed: Tensor = x + self.inner(x)
        return changed
