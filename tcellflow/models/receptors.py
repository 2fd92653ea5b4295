"""The receptor encoder: a small transformer over one chain's genes and residues.

Invariant: chains are encoded one by one, so a chain's features do not depend on its partner, its
neighbours in the batch, or padding. The vector of a pair is the sum of both chains' features,
brought to unit length; the length of a chain's features says how much that chain weighs in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcellflow.models.blocks import TransformerBlock

if TYPE_CHECKING:
    from tcellflow.models.configurations import ReceptorEncoderConfig

_HIDDEN = -1e4  # added to attention logits of padding: gone after the softmax, and finite in bfloat16
_LEADING = 2  # V and J token stand in front of the residues


@dataclass(frozen=True)
class GermlineTables:
    """What is known of genes beforehand, as arrays; gene 0 is "unknown".

    Parameters
    ----------
    loops
        (N, P) int64 residue tokens of the germline loops of N V genes, 0 = none.
    v_members
        (V, N) weights that make the vector of each V name, genes and families alike, out of genes.
    j_members
        (J, M) the same for J.
    """

    loops: Tensor
    v_members: Tensor
    j_members: Tensor


class Encoding(NamedTuple):
    """What the encoder says of B chains.

    Parameters
    ----------
    features
        (B, D) before they are brought to unit length.
    residue_logits
        (B, L, residues) which residue stands at each place.
    """

    features: Tensor
    residue_logits: Tensor


class GermlineGenes(nn.Module):
    """Vectors of V and J genes: an identity that is learnt, and for V what its loops say.

    Parameters
    ----------
    config
        Shape of the encoder.
    tables
        Loops and families.
    """

    loops: Tensor
    v_members: Tensor
    j_members: Tensor

    def __init__(self, config: ReceptorEncoderConfig, tables: GermlineTables) -> None:
        super().__init__()
        for name in ("loops", "v_members", "j_members"):
            self.register_buffer(name, getattr(tables, name))
        self.v_identity = nn.Parameter(torch.randn(tables.v_members.shape[1], config.width) * 0.1)
        self.j_identity = nn.Parameter(torch.randn(tables.j_members.shape[1], config.width) * 0.5)
        self.loop_residue = nn.Parameter(
            torch.randn(tables.loops.shape[1], config.residue_tokens, config.width) * 0.2
        )
        self.loop_mix = nn.Sequential(
            nn.LayerNorm(config.width), nn.Linear(config.width, config.width), nn.ReLU()
        )
        self.loop_out = nn.Linear(config.width, config.width)
        self.v_unknown = nn.Parameter(torch.randn(config.width) * 0.02)
        self.j_unknown = nn.Parameter(torch.randn(config.width) * 0.02)

    def encode_loops(self) -> Tensor:
        """Encode the loops of every V gene.

        Returns
        -------
        torch.Tensor
            (N, W) vectors.
        """
        places = torch.arange(self.loops.shape[1], device=self.loops.device)
        summed = self.loop_residue[places, self.loops].sum(1)  # (N, W)
        encoded: Tensor = self.loop_out(self.loop_mix(summed)) + summed
        return encoded

    def forward(self, v_call: Tensor, j_call: Tensor, keep_identity: Tensor | None) -> tuple[Tensor, Tensor]:
        """Look genes up.

        Parameters
        ----------
        v_call, j_call
            (B,) numbers of the names; 0 = unknown.
        keep_identity
            (B,) 1 where the V gene's identity may be seen, 0 where its loops alone; None = everywhere.

        Returns
        -------
        tuple of torch.Tensor
            (B, W) vectors of V and of J.
        """
        loops = self.v_members @ self.encode_loops()
        identity = self.v_members @ self.v_identity
        of_v = torch.cat([self.v_unknown[None], loops])[v_call]  # (B, W)
        own = torch.cat([torch.zeros_like(self.v_unknown)[None], identity])[v_call]  # (B, W)
        if keep_identity is not None:
            own = own * keep_identity[:, None]
        of_j = torch.cat([self.j_unknown[None], self.j_members @ self.j_identity])[j_call]  # (B, W)
        return of_v + own, of_j


class ReceptorEncoder(nn.Module):
    """Encode receptor chains.

    Parameters
    ----------
    config
        Shape.
    tables
        Loops and families of the genes.
    """

    def __init__(self, config: ReceptorEncoderConfig, tables: GermlineTables) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.genes = GermlineGenes(config, tables)
        self.locus = nn.Embedding(config.loci, width)
        self.kind = nn.Parameter(torch.randn(_LEADING, width) * 0.02)
        # One vector per residue and place, counted from either end, rather than the sum of a residue's
        # and a place's: so their mean alone already tells junctions apart, as an alignment would.
        kinds = config.positions * config.residue_tokens
        self.from_start = nn.Embedding(kinds, width)
        self.from_end = nn.Embedding(kinds, width)
        for table in (self.locus, self.from_start, self.from_end):
            nn.init.normal_(table.weight, std=0.5)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, config.feed_forward) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear((_LEADING + 1) * width, config.dimension)
        self.name_residue = nn.Linear(width, config.residues)

    def forward(
        self,
        locus: Tensor,
        residues: Tensor,
        v_call: Tensor,
        j_call: Tensor,
        keep_identity: Tensor | None = None,
    ) -> Encoding:
        """Encode B chains.

        Parameters
        ----------
        locus, v_call, j_call
            (B,) int64 numbers.
        residues
            (B, L) int64 tokens; 0 = padding at the end.
        keep_identity
            (B,) 0 where the identity of V is hidden (training only).

        Returns
        -------
        Encoding
            Features and residue logits.
        """
        is_real = residues != 0  # (B, L)
        of_v, of_j = self.genes(v_call, j_call, keep_identity)
        leading = torch.stack([of_v, of_j], 1) + self.locus(locus)[:, None] + self.kind  # (B, 2, W)
        x = torch.cat([leading, self._embed_residues(residues, is_real)], 1)  # (B, 2+L, W)
        counts = functional.pad(is_real, (_LEADING, 0), value=True)  # (B, 2+L)
        bias = ((~counts) * _HIDDEN).to(x.dtype)[:, None, None]  # (B, 1, 1, 2+L)
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm(x)
        of_residues = x[:, _LEADING:]  # (B, L, W)
        weight = is_real[:, :, None].to(x.dtype)
        mean = (of_residues * weight).sum(1) / weight.sum(1)  # (B, W)
        features = self.project(torch.cat([x[:, 0], x[:, 1], mean], -1))  # (B, D)
        return Encoding(features, self.name_residue(of_residues))

    def _embed_residues(self, residues: Tensor, is_real: Tensor) -> Tensor:
        last = self.config.positions - 1
        from_start = torch.arange(residues.shape[1], device=residues.device)  # (L,)
        from_end = (is_real.sum(1, keepdim=True) - 1 - from_start).clamp(0, last)  # (B, L)
        kinds = self.config.residue_tokens
        by_start = self.from_start(from_start.clamp(max=last) * kinds + residues)  # (B, L, W)
        embedded: Tensor = by_start + self.from_end(from_end * kinds + residues)
        return embedded


def to_unit(features: Tensor) -> Tensor:
    """Bring features of the receptor encoder to unit length.

    Parameters
    ----------
    features
        (B, D) features of chains, or sums over the chains of a pair.

    Returns
    -------
    torch.Tensor
        (B, D) vectors.
    """
    return functional.normalize(features, dim=-1)


class ReceptorInference(nn.Module):
    """The encoder as it is shipped: vectors, features and residue logits of single chains.

    Parameters
    ----------
    encoder
        The trained network.
    """

    def __init__(self, encoder: ReceptorEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, locus: Tensor, residues: Tensor, v_call: Tensor, j_call: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Embed B chains.

        Parameters
        ----------
        locus, v_call, j_call
            (B,) int64 numbers.
        residues
            (B, L) int64 tokens; 0 = padding at the end.

        Returns
        -------
        tuple of torch.Tensor
            (B, D) unit vectors, (B, D) features, (B, L, residues) logits.
        """
        encoding = self.encoder(locus, residues, v_call, j_call)
        return to_unit(encoding.features), encoding.features, encoding.residue_logits
