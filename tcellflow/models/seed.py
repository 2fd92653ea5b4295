"""The network of the multimodal T-cell classifier, block for block, with masks for what is missing.

Eight members with other seeds and settings are trained; the ensemble averages their logits.

Invariant: a missing chain or V/J token is no key of the attention and a zero behind it, so that it says
nothing. Four vectors per cell meet: expression, alpha, beta, and V/J genes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tcellflow.models.axes import N_JOINT, AxesLogits
from tcellflow.models.configurations import AxesConfig, SeedConfig

_HIDDEN = -1e4  # added to attention logits of what is missing
_VJ_WIDTH = 64
_TOKENS = 3  # alpha, beta, V/J


class ResidualBlock(nn.Module):
    """Two linear layers beside a shortcut, normalised afterwards.

    Parameters
    ----------
    width
        Width.
    dropout
        Share dropped.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (..., width).

        Parameters
        ----------
        x
            Vectors.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        transformed: Tensor = self.norm(x + self.dropout(self.inner(x)))
        return transformed


class SeedReceptors(NamedTuple):
    """What is known of the receptors of B cells.

    Parameters
    ----------
    chains
        (B, 2, chain) vectors of alpha and beta, 0 where missing.
    vj
        (B, vj) one-hot V/J genes.
    is_there
        (B, 3) 1 where alpha, beta and V/J genes are known.
    """

    chains: Tensor
    vj: Tensor
    is_there: Tensor


class SeedNetwork(nn.Module):
    """Seven states of cells from expression, both chains and their V/J genes.

    Parameters
    ----------
    config
        Shape.
    mean, scale
        (G,) of log1p(counts per 10,000) over T cells; scale > 0.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: SeedConfig, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())
        h, p = config.width, config.dropout
        self.gex_encoder = nn.Sequential(
            *_layer(config.genes, 512, p), *_layer(512, h, p), ResidualBlock(h, p)
        )
        self.vj_encoder = nn.Sequential(*_layer(config.vj, _VJ_WIDTH, p))
        self.tcr_encoder = nn.Sequential(*_layer(config.chain + _VJ_WIDTH, h, p), ResidualBlock(h, p))
        self.vj_token_proj = nn.Sequential(*_layer(config.vj, h, p))
        self.to_gex = nn.MultiheadAttention(h, config.heads, dropout=p, batch_first=True)
        self.to_tcr = nn.MultiheadAttention(h, config.heads, dropout=p, batch_first=True)
        self.norm_gex, self.norm_tcr = nn.LayerNorm(h), nn.LayerNorm(h)
        self.dropout = nn.Dropout(p)
        self.post_fusion = ResidualBlock(4 * h, p)
        self.head = nn.Sequential(*_layer(4 * h, h, p), nn.Linear(h, config.states))

    def forward(
        self, expression: Tensor, present: Tensor, receptors: SeedReceptors | None = None
    ) -> tuple[Tensor, Tensor]:
        """Judge B cells.

        Parameters
        ----------
        expression
            (B, G) log1p(counts per 10,000).
        present
            (B or 1, G) 1 where a gene was measured.
        receptors
            Of the cells; None where nothing is known of any, which spares the layers that look at them.

        Returns
        -------
        tuple of torch.Tensor
            (B, states) logits and (B, 4h) latent.
        """
        gex = self.gex_encoder((expression - self.mean) / self.scale * present)[:, None]  # (B, 1, h)
        if receptors is None:
            sides = [self.norm_gex(gex), gex.new_zeros(gex.shape[0], _TOKENS, self.config.width)]
        else:
            sides = self._fuse(gex, receptors)
        latent = self.post_fusion(torch.cat(sides, 1).flatten(1))
        return self.head(latent), latent

    def _fuse(self, gex: Tensor, receptors: SeedReceptors) -> list[Tensor]:
        """Let expression (B, 1, h) and receptors look at each other; gives (B, 1, h) and (B, 3, h)."""
        chains, vj, is_there = receptors
        genes = self.vj_encoder(vj)[:, None].expand(-1, 2, -1)  # (B, 2, 64)
        tokens = torch.cat(
            [self.tcr_encoder(torch.cat([chains, genes], -1)), self.vj_token_proj(vj)[:, None]], 1
        )  # (B, 3, h)
        weight = is_there[:, :, None]
        bias = ((1 - is_there) * _HIDDEN)[:, None].repeat_interleave(self.config.heads, 0)  # (B heads, 1, 3)
        heard, _ = self.to_gex(gex, tokens, tokens, attn_mask=bias, need_weights=False)
        any_there = is_there.amax(1)[:, None, None]
        gex_side = self.norm_gex(gex + self.dropout(heard) * any_there)
        heard, _ = self.to_tcr(tokens, gex, gex, need_weights=False)
        tcr_side = self.norm_tcr(tokens + self.dropout(heard)) * weight
        return [gex_side, tcr_side]


def split_receptors(config: SeedConfig, receptors: Tensor | None) -> SeedReceptors | None:
    """Split the arrays of receptors into what the seed network takes.

    Parameters
    ----------
    config
        Shape of the network.
    receptors
        (B, 2 chain + 2): alpha and beta vector, 0 where missing, and one mask each; None = none.

    Returns
    -------
    SeedReceptors or None
        V/J genes are missing.
    """
    if receptors is None:
        return None
    chains, masks = receptors[:, :-2], receptors[:, -2:]
    vj = receptors.new_zeros(receptors.shape[0], config.vj)
    return SeedReceptors(chains.reshape(-1, 2, config.chain), vj, torch.cat([masks, vj[:, :1]], 1))


def _layer(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.GELU(), nn.Dropout(dropout)]


class SeedEnsemble(nn.Module):
    """Members of the seed network, in the words of the axes: `AxesLogits` of M + 1 judges.

    The first judge is the average of the members' logits, whose answer counts; the members follow. States
    have no axes of their own here: each resting state lies on one joint cell. A cell is out of
    distribution where no state speaks for it (the energy of the average).

    Parameters
    ----------
    members
        Networks of one panel.
    cells
        Joint cell of each of the K states, -1 for Proliferating.
    has_receptors
        Whether the members learnt from chains; V/J genes are always missing.
    """

    has_leader = True

    def __init__(
        self, members: list[SeedNetwork], cells: tuple[int, ...], *, has_receptors: bool = False
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.config = AxesConfig(
            genes=members[0].config.genes,
            receptor_dimension=members[0].config.chain if has_receptors else 0,
            members=len(members),
        )
        self._shape = members[0].config
        self._resting = [state for state, cell in enumerate(cells) if cell >= 0]
        self._cycling = [state for state, cell in enumerate(cells) if cell < 0]
        to_joint = torch.zeros(len(self._resting), N_JOINT)
        for row, state in enumerate(self._resting):
            to_joint[row, cells[state]] = 1
        self.register_buffer("mean", members[0].mean)
        self.register_buffer("to_joint", to_joint)
        self.register_buffer("elsewhere", (to_joint.sum(0) == 0).float() * _HIDDEN)

    mean: Tensor
    to_joint: Tensor
    elsewhere: Tensor

    def summarise(self, part: Tensor) -> Tensor:
        """Take the answer that counts out of the judges'.

        Parameters
        ----------
        part
            (M + 1, B, ...) of any part of `AxesLogits`.

        Returns
        -------
        torch.Tensor
            (B, ...).
        """
        return part[0]

    def forward(self, expression: Tensor, present: Tensor, receptors: Tensor | None = None) -> AxesLogits:
        """Judge B cells.

        Parameters
        ----------
        expression, present
            As in `SeedNetwork.forward`.
        receptors
            As in `AxesNetwork.forward`; without them every chain is missing.

        Returns
        -------
        AxesLogits
            Of the average and of M members.
        """
        known = split_receptors(self._shape, receptors)
        answers = [member(expression, present, known) for member in self.members]
        logits = torch.stack([logits for logits, _ in answers])  # (M, B, K)
        logits = torch.cat([logits.mean(0, keepdim=True), logits])
        resting, cycling = logits[..., self._resting], logits[..., self._cycling]
        ood = -torch.logsumexp(logits, -1, keepdim=True)
        joint = resting @ self.to_joint + self.elsewhere
        cycle = cycling - torch.logsumexp(resting, -1, keepdim=True)
        return AxesLogits((joint,), cycle, ood, answers[0][1][None], None)
