"""The axes network: lineage, function and cycle of a cell from its expression and, if there, receptors.

Invariant: a gene that was not measured and a chain that is missing add nothing; a cell's results depend
on its own row alone. Several members are one network whose parameters have a member axis M, so that an
ensemble is a batched product and not a loop.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcellflow.models.configurations import AxesConfig

N_LINEAGES, N_FUNCTIONS = 6, 9
N_JOINT = N_LINEAGES * N_FUNCTIONS
_IMPOSSIBLE = -1e4  # logit of a structural zero
_CLIP = 10.0  # of standardised expression


class AxesLogits(NamedTuple):
    """What the network says of B cells, M members each.

    Parameters
    ----------
    heads
        (M, B, 54) logits of lineage and function, lineage-major, of each head. Heads share no weight;
        their mean counts.
    cycle
        (M, B, 1) logit of cycling.
    ood
        (M, B, 1) logit of not being a T cell of the kind that was learnt.
    latent
        (M, B, latent).
    taught
        (M, B, taught) guess of the teacher's latent vector; None where there is no teacher.
    """

    heads: tuple[Tensor, ...]
    cycle: Tensor
    ood: Tensor
    latent: Tensor
    taught: Tensor | None

    @property
    def joint(self) -> Tensor:
        """(M, B, 54) the mean of the heads."""
        return torch.stack(self.heads).mean(0)


class MemberLinear(nn.Module):
    """A linear layer of M members.

    Parameters
    ----------
    members, inputs, outputs
        Sizes.
    bias
        Whether there is one.
    """

    def __init__(self, members: int, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-1, 1) * inputs**-0.5)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Transform rows.

        Parameters
        ----------
        x
            (B, inputs) shared by the members, or (M, B, inputs).

        Returns
        -------
        torch.Tensor
            (M, B, outputs).
        """
        product = torch.matmul(x, self.weight)
        return product if self.bias is None else product + self.bias


class MemberNorm(nn.Module):
    """Layer normalisation with weights of M members.

    Parameters
    ----------
    members, width
        Sizes.
    """

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.ones(members, 1, width))
        self.bias = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise rows of (M, B, width).

        Parameters
        ----------
        x
            Rows.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        return functional.layer_norm(x, (self.width,)) * self.weight + self.bias


class AxesNetwork(nn.Module):
    """Lineage, function and cycle of cells.

    Parameters
    ----------
    config
        Shape.
    mean, scale
        (G,) of log1p(counts per 10,000) over T cells; scale > 0.
    possible
        (54,) bool: joint cells that are no structural zeros.
    """

    has_leader = False
    mean: Tensor
    scale: Tensor
    forbidden: Tensor

    def __init__(self, config: AxesConfig, mean: Tensor, scale: Tensor, possible: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())
        self.register_buffer("forbidden", (~possible).float() * _IMPOSSIBLE)
        m, width, latent = config.members, config.width, config.latent
        self.of_genes = MemberLinear(m, config.genes, width)
        self.of_missing = MemberLinear(m, config.genes, width, bias=False)
        nn.init.zeros_(self.of_missing.weight)
        self.norm_first = MemberNorm(m, width)
        self.to_latent = MemberLinear(m, width, latent)
        self.norm_latent = MemberNorm(m, latent)
        self.to_strange = MemberLinear(m, width, latent)
        if config.receptor_dimension:
            self.of_receptors = MemberLinear(m, 2 * config.receptor_dimension + 2, config.receptor_width)
            self.receptors_to_latent = MemberLinear(m, config.receptor_width, latent)
        self.joint = MemberLinear(m, latent, N_JOINT)
        self.joint_of_genes = MemberLinear(m, config.genes, N_JOINT)
        nn.init.zeros_(self.joint_of_genes.weight)
        self.cycle = MemberLinear(m, latent, 1)
        self.strange = MemberLinear(m, latent, 1)  # named so in checkpoints and bundles
        if config.taught:
            self.taught = MemberLinear(m, latent, config.taught)
        self.dropout = nn.Dropout(config.dropout)

    def _hear_receptors(self, receptors: Tensor) -> Tensor:
        """Give what the chains add to the latent vector: (M, B, latent), 0 without a chain."""
        width = self.config.receptor_dimension
        # as loud as a gene, whatever the encoder's units; a chain of zeros stays zero
        arms = (receptors[:, :width], receptors[:, width : 2 * width])
        chains = [functional.layer_norm(vectors, (width,)) for vectors in arms]
        hidden = functional.gelu(self.of_receptors(torch.cat([*chains, receptors[:, -2:]], 1)))
        is_there = receptors[:, -2:].amax(dim=1, keepdim=True)  # (B, 1)
        heard: Tensor = self.receptors_to_latent(self.dropout(hidden)) * is_there
        return heard

    def summarise(self, part: Tensor) -> Tensor:
        """Average the members.

        Parameters
        ----------
        part
            (M, B, ...) of any part of `AxesLogits`.

        Returns
        -------
        torch.Tensor
            (B, ...).
        """
        return part.mean(0)

    def forward(self, expression: Tensor, present: Tensor, receptors: Tensor | None = None) -> AxesLogits:
        """Judge B cells.

        Parameters
        ----------
        expression
            (B, G) log1p(counts per 10,000).
        present
            (B or 1, G) 1 where a gene was measured.
        receptors
            (B, 2D + 2): alpha and beta vector, 0 where missing, and one mask each; None = none.

        Returns
        -------
        AxesLogits
            Logits and latent.
        """
        standard = ((expression - self.mean) / self.scale).clamp(-_CLIP, _CLIP) * present
        first = self.of_genes(standard) + self.of_missing(1 - present)
        first = self.dropout(functional.gelu(self.norm_first(first)))  # (M, B, width)
        latent = self.to_latent(first)
        if self.config.receptor_dimension:
            # no gene at all is no extreme of few genes: the weights of missing genes learn nothing from it
            is_seen = present.amax(dim=1, keepdim=True)  # (B or 1, 1)
            latent = latent * is_seen
        if receptors is not None:
            latent = latent + self._hear_receptors(receptors)
        latent = functional.gelu(self.norm_latent(latent))
        dropped = self.dropout(latent)
        ood = self.strange(self.dropout(functional.gelu(self.to_strange(first))))
        taught = self.taught(dropped) if self.config.taught else None
        by_latent, by_genes = self.joint(dropped), self.joint_of_genes(standard)
        if self.config.receptor_dimension:
            # without any gene the second head has nothing but its bias to say, and the first speaks for both
            by_genes = torch.where(is_seen > 0, by_genes, by_latent)
        heads = (by_latent + self.forbidden, by_genes + self.forbidden)
        return AxesLogits(heads, self.cycle(dropped), ood, latent, taught)


def stack_members(networks: list[AxesNetwork]) -> AxesNetwork:
    """Make one axes network of several.

    Parameters
    ----------
    networks
        Networks of one shape, one panel and one standardisation, one member each.

    Returns
    -------
    AxesNetwork
        Their members side by side.

    Raises
    ------
    ValueError
        If they standardise expression in different ways: the members would no longer give the same answers.
    """
    first = networks[0]
    for network in networks[1:]:
        if not torch.equal(network.mean, first.mean) or not torch.equal(network.scale, first.scale):
            raise ValueError("members standardise expression in different ways")
    config = AxesConfig(**{**vars(first.config), "members": len(networks)})
    whole = AxesNetwork(config, first.mean, first.scale, first.forbidden == 0)
    states = [network.state_dict() for network in networks]
    shared = {name for name, _ in first.named_buffers()}
    whole.load_state_dict(
        {
            name: value if name in shared else torch.cat([state[name] for state in states])
            for name, value in states[0].items()
        }
    )
    return whole
