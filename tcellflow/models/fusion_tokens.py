"""Tokens of genes and proteins, blocks that mix them, and the hand-over from one modality to the other.

Invariant: what is masked is multiplied by zero before anything is computed from it, so that no output
depends on its value; a token whose every value is masked is padding.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcellflow.models.configurations import MixerKind, Order, TokenConfig, TttConfig
from tcellflow.models.ttt import State, TwoWayTtt

_EPSILON = 1e-6
_HIDDEN = -1e4  # added to attention logits of padding


class RmsNorm(nn.Module):
    """Scale tokens (B, L, d) to unit root mean square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        return x * ((x * x).mean(-1, keepdim=True) + _EPSILON).rsqrt() * self.scale


class Attention(nn.Module):
    """Softmax attention written out as products, which exports to plain operators.

    Parameters
    ----------
    width, heads
        Shape.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries, self.keys, self.values, self.merge = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor, other: Tensor, is_real: Tensor) -> Tensor:
        """Let tokens (B, L, d) look at others (B, M, d), of which (B or 1, M) are real."""
        batch, length, width = x.shape

        def split(y: Tensor) -> Tensor:
            return y.reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        queries, keys, values = split(self.queries(x)), split(self.keys(other)), split(self.values(other))
        scores = queries @ keys.transpose(-1, -2) * (width // self.heads) ** -0.5
        scores = scores + ((1 - is_real) * _HIDDEN)[:, None, None]
        mixed = (scores.softmax(-1) @ values).transpose(1, 2).reshape(batch, length, width)
        answer: Tensor = self.merge(mixed)
        return answer


class Mixer(nn.Module):
    """One way for tokens to meet, behind one face.

    Parameters
    ----------
    kind
        Which.
    config
        Shape.
    """

    def __init__(self, kind: MixerKind, config: TokenConfig) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.inner: nn.Module = Attention(config.width, config.heads)
        elif kind != "none":
            order: Order = "set" if kind == "ttt-set" else "sequence"
            self.inner = TwoWayTtt(TttConfig(config.width, config.heads, config.batch, order=order))

    def forward(
        self, x: Tensor, is_real: Tensor, states: tuple[State, ...] | None = None
    ) -> tuple[Tensor, tuple[State, ...] | None]:
        """Mix (B, L, d); give the state that TTT layers end in."""
        if self.kind == "none":
            return torch.zeros_like(x), None
        if self.kind == "attention":
            return self.inner(x, x, is_real), None
        return cast("tuple[Tensor, tuple[State, ...]]", self.inner(x, is_real, states))


class MixerBlock(nn.Module):
    """X' = mix(RMSNorm(X)) + X, then X = MLP(RMSNorm(X')) + X'.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: TokenConfig) -> None:
        super().__init__()
        d = config.width
        self.norm_mixer, self.norm_mlp = RmsNorm(d), RmsNorm(d)
        self.mixer = Mixer(config.mixer, config)
        self.gate, self.expand, self.contract = (
            nn.Linear(d, 2 * d, bias=False), nn.Linear(d, 2 * d, bias=False), nn.Linear(2 * d, d, bias=False)
        )  # fmt: skip

    def forward(self, x: Tensor, is_real: Tensor) -> Tensor:
        """Transform (B, L, d)."""
        x = x + self.mixer(self.norm_mixer(x), is_real)[0]
        y = self.norm_mlp(x)
        transformed: Tensor = x + self.contract(functional.silu(self.gate(y)) * self.expand(y))
        return transformed


class CrossFusion(nn.Module):
    """One modality reads what the other has written: F = E + lambda fuse(other, E).

    With hand-over the layer reads the other modality first and goes on, in the state it learnt, with its
    own tokens; so reading [other; own] without a mini-batch that straddles them.

    Parameters
    ----------
    config
        Shape.
    """

    def __init__(self, config: TokenConfig) -> None:
        super().__init__()
        self.kind = config.fusion
        self.weight = nn.Parameter(torch.tensor(0.1))
        self.norm_own, self.norm_other = RmsNorm(config.width), RmsNorm(config.width)
        if self.kind == "hand-over":
            kind: MixerKind = config.mixer if config.mixer in {"ttt", "ttt-set"} else "ttt"
            self.mixer = Mixer(kind, config)
        elif self.kind == "attention":
            self.attention = Attention(config.width, config.heads)

    def forward(self, own: Tensor, own_real: Tensor, other: Tensor, other_real: Tensor) -> Tensor:
        """Let own tokens (B, L, d) read the other's (B, M, d)."""
        if self.kind == "none":
            return own
        mine, theirs = self.norm_own(own), self.norm_other(other)
        if self.kind == "hand-over":
            _, states = self.mixer(theirs, other_real)
            heard, _ = self.mixer(mine, own_real, states)
        else:
            is_there = other_real.amax(1)[:, None, None]  # (B or 1, 1, 1)
            if self.kind == "attention":
                heard = self.attention(mine, theirs, other_real) * is_there
            else:
                heard = pool_mean(theirs, other_real)[:, None] * is_there
        fused: Tensor = own + self.weight * heard
        return fused


class GeneTokens(nn.Module):
    """Patches of neighbouring genes, each with a linear map of its own, and one token of components.

    Parameters
    ----------
    patches
        (T, S) number of each patch's genes, G where a patch has fewer.
    chromosome
        (T,) number of each patch's chromosome.
    components
        Width of the components; 0 without.
    width
        Width d of a token.
    """

    patches: Tensor
    chromosome: Tensor

    def __init__(self, patches: Tensor, chromosome: Tensor, components: int, width: int) -> None:
        super().__init__()
        self.register_buffer("patches", patches)
        self.register_buffer("chromosome", chromosome)
        n_patches, size = patches.shape
        self.values = nn.Parameter(torch.randn(n_patches, size, width) * size**-0.5)
        self.missing = nn.Parameter(torch.zeros(n_patches, size, width))
        self.position = nn.Parameter(torch.randn(n_patches, width) * 0.1)
        self.of_chromosome = nn.Embedding(int(chromosome.max()) + 1, width)
        nn.init.normal_(self.of_chromosome.weight, std=0.1)
        self.whole = nn.Linear(components, width) if components else None

    def forward(self, genes: Tensor, mask: Tensor, components: Tensor | None) -> tuple[Tensor, Tensor]:
        """Make tokens (B, T or T + 1, d) of masked genes (B, G), their mask (B or 1, G) and (B, k)."""
        shown = functional.pad(genes, (0, 1))[:, self.patches]  # (B, T, S)
        there = functional.pad(mask, (0, 1))[:, self.patches]  # (B or 1, T, S)
        tokens = torch.einsum("bts,tsd->btd", shown, self.values)
        tokens = tokens + torch.einsum("bts,tsd->btd", 1 - there, self.missing)
        tokens = tokens + self.position + self.of_chromosome(self.chromosome)
        is_real = there.amax(-1)
        if self.whole is not None and components is not None:
            tokens = torch.cat([tokens, self.whole(components)[:, None]], 1)
            is_real = torch.cat([is_real, is_real.amax(1, keepdim=True)], 1)
        return tokens, is_real


class ProteinTokens(nn.Module):
    """One token per known protein: value times vector, plus identity.

    Parameters
    ----------
    proteins
        Known proteins P, in the order of their genes.
    width
        Width d of a token.
    """

    def __init__(self, proteins: int, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(proteins, width) * 0.3)
        self.identity = nn.Parameter(torch.randn(proteins, width) * 0.3)

    def forward(self, proteins: Tensor) -> Tensor:
        """Make tokens (B, P, d) of masked values (B, P)."""
        return proteins[..., None] * self.vector + self.identity


class FusedTokens(NamedTuple):
    """The pooled vector (B, d), the tokens of the genes (B, T, d), and the modalities' weights (B, 2)."""

    pooled: Tensor
    rna: Tensor
    weights: Tensor


class TokenBranch(nn.Module):
    """Both encoders, fusion, and a pool over the tokens of both.

    Parameters
    ----------
    config
        Shape.
    genes, proteins
        What makes the tokens.
    """

    def __init__(self, config: TokenConfig, genes: GeneTokens, proteins: ProteinTokens) -> None:
        super().__init__()
        self.config = config
        self.genes, self.proteins = genes, proteins
        self.rna = nn.ModuleList(MixerBlock(config) for _ in range(config.rna_blocks))
        self.adt = nn.ModuleList(MixerBlock(config) for _ in range(config.adt_blocks))
        self.to_rna, self.to_adt = CrossFusion(config), CrossFusion(config)
        self.attend = nn.Linear(config.width, 1)
        n_proteins, width = proteins.identity.shape
        self.guess = nn.Linear(width, n_proteins * width) if config.guesses_adt else None

    def forward(
        self,
        genes: Tensor,
        gene_mask: Tensor,
        proteins: Tensor,
        protein_mask: Tensor,
        components: Tensor | None,
    ) -> FusedTokens:
        """Fuse masked genes (B, G) and proteins (B, P); masks may have one row for all."""
        rna, rna_real = self.genes(genes, gene_mask, components)
        adt, adt_real = self.proteins(proteins), protein_mask.expand(genes.shape[0], -1)
        for block in self.rna:
            rna = block(rna, rna_real)
        for block in self.adt:
            adt = block(adt, adt_real)
        if self.guess is not None:
            guessed = self.guess(pool_mean(rna, rna_real)).reshape(adt.shape)
            is_without = 1 - adt_real.amax(1, keepdim=True)  # (B, 1)
            adt = torch.where(is_without[..., None] > 0, guessed, adt)
            adt_real = adt_real + is_without
        rna, adt = self.to_rna(rna, rna_real, adt, adt_real), self.to_adt(adt, adt_real, rna, rna_real)
        real = torch.cat([rna_real.expand(adt_real.shape[0], -1), adt_real], 1)
        tokens = torch.cat([rna, adt], 1)
        weight = (self.attend(tokens)[..., 0] + (1 - real) * _HIDDEN).softmax(-1) * real
        n_genes = rna.shape[1]
        weights = torch.stack([weight[:, :n_genes].sum(1), weight[:, n_genes:].sum(1)], 1)
        return FusedTokens((weight[..., None] * tokens).sum(1), rna, weights)


def pool_mean(tokens: Tensor, is_real: Tensor) -> Tensor:
    """Give the mean (B, d) of the real tokens (B, L, d)."""
    return (tokens * is_real[..., None]).sum(1) / is_real.sum(1, keepdim=True).clamp(min=1)
